tenant "demo" {
  sandbox {}
}

mirror "m" {
  drive_id = "b!\u202e1"
  target   = "./mirror/\u0007"
}
