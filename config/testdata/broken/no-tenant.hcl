mirror "a" {
  drive_id = "b!1"
  target   = "./mirror/a"
}
