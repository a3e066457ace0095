tenant "demo" {
  sandbox {}
}

guard {
  max_delete_percnt = 5
}

mirror "handbook" {
  site    = "https://contoso.sharepoint.com/sites/people"
  traget  = "./mirror/handbook"
  sources = ["a"]

  selct {
    include = ["*"]
  }
}

mirrors "x" {}
