tenant "demo" {
  sandbox {
    files     = -3
    directory = "/etc"
    library "A" {
      directory = "./a"
      files     = 3
    }
    library "a" {}
    site "people" {
      library "Documents" {}
    }
    site "/people/" {}
  }
  auth "azure_cli" {}
}

tenant "bare" {}

tenant "mixed" {
  auth "azure_cli" {
    client_secret = "x"
  }
}
