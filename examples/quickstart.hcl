# The shortest configuration that works: a tenant emulated inside the program, one
# library, one target. No account and no network are needed.

spmirror {
  required_version = ">= 0.1"
}

tenant "demo" {
  sandbox {}
}

mirror "handbook" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "./mirror/handbook"
}
