variable "region" {
  default = "eu"
}

locals {
  a = local.b
  b = local.c
  c = local.a
  d = var.regoin
  e = data.sites.all
  f = each.key
  g = lower(undeclared)
  h = uper("x")
  i = mirror.m.target
  j = { x = 1 }.y
  k = timestamp()
  l = plan.totals
}

tenant "demo" {
  sandbox {}
}

mirror "m" {
  drive_id = local.d
  target   = "./mirror/${tenant.demo.naem}"
}

check "c" {
  assert {
    condition     = mirror.n.target != "" && plan.totals.adds > 0 && var.nothing
    error_message = "no"
  }
}

check "empty" {}

output "o" {
}
