tenant "demo" {
  sandbox {}
}

spmirror {
  backend "sqlite" {
    path = "./mirror/state/spmirror.db"
  }
}

locals {
  targets = {
    root     = "/"
    etc      = "/etc/mirror"
    home     = "/home/ada"
    homes    = "/home"
    tilde    = "~/mirror"
    here     = "."
    above    = ".."
    url      = "s3://bucket/mirror"
    empty    = ""
    state    = "./mirror/state"
    equal    = "./mirror/equal"
    equal2   = "./mirror/x/../equal"
    folded   = "./mirror/EQUAL"
    nested   = "./mirror/equal/below"
    in_state = "./mirror/state/spmirror.db/x"
  }
}

mirror "m" {
  for_each = local.targets
  drive_id = "b!${each.key}"
  target   = each.value
}
