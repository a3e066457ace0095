# The shortest configuration that works: an emulated tenant inside the program, one
# library, one target. No account, no network.
#
#   spmirror plan  -config=quickstart.hcl
#   spmirror apply -config=quickstart.hcl

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
