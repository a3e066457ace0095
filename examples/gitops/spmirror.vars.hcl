stage     = "prod"
tenant_id = "contoso.onmicrosoft.com"
client_id = "22222222-3333-4444-5555-666666666666"

libraries = {
  reports = {
    site   = "finance"
    folder = "/Reports"
  }

  deeds = {
    site         = "legal"
    drive        = "Deeds"
    max_size     = "500MiB"
    confidential = true
  }

  drawings = {
    site     = "engineering"
    drive    = "Drawings"
    folder   = "/Released"
    exclude  = ["Superseded/", "*.bak"]
    max_size = "20GiB"
  }
}
