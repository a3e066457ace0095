spmirror {
  required_version = ">= 2.0"
  unknown          = "not looked at"
}
