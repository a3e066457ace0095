spmirror {
  approval     = "sometimes"
  plan_max_age = "1ns"
  names        = "hased"
  backend "postgres" {}
}

guard {
  max_delete_count          = -1
  max_delete_percent        = 150
  max_delete_bytes          = "10G"
  max_folder_delete_percent = "many"
  max_files                 = 1.5
  require_marker            = false
}

tenant "demo" {
  sandbox {}
}

mirror "m" {
  drive_id = "b!1"
  target   = "./mirror/m"
  names    = "windows"
  file_mode      = "0666"
  directory_mode = "rwxr-x---"
  select {
    min_size       = -1
    modified_after = "yesterday"
    include        = "**"
  }
  content {
    verify   = "md5"
    versions = "-1"
  }
  trash {
    retention = "30 days"
    path      = "../elsewhere"
    enabled   = false
  }
  lifecycle {
    on_remote_delete = "trsh"
    prevent_delete   = "maybe"
  }
  lifecycle {}
}
