tenant "one" {
  sandbox {}
}

tenant "two" {
  tenant_id   = "two.example.com"
  environment = "germany"
  auth "client_secret" {
    client_id     = "11111111-2222-3333-4444-555555555555"
    client_secret = "Sup3r-Secret-Value"
  }
}

tenant "three" {
  environment = "custom"
  endpoints {
    graph = "http://graph.example.com"
    login = "https://login.example.com/common"
  }
  auth "client_secrt" {}
  allowed_hosts = ["https://files.example.com", "10.0.0.1", "files.example.com"]
  limits {
    requests_in_flight = 0
    bandwidth          = "fast"
    quiet_hours        = "25:00-26:00"
  }
}

tenant "four" {
  endpoints {
    graph = "https://graph.example.com"
    login = "https://login.example.com"
  }
}

tenant "One" {
  sandbox {}
}

mirror "a" {
  drive_id = "b!1"
  target   = "./mirror/a"
}

mirror "b" {
  drive_id = "b!2"
  target   = "./mirror/b"
  tenant   = tenant.tow
}

mirror "c" {
  drive_id = "b!3"
  target   = "./mirror/c"
  tenant   = "two"
}
