tenant "demo" {
  sandbox {}
}

mirror "m" {
  drive_id = "b!1" # ‮ desrever
  target   = "./mirror/\u202e"
}
