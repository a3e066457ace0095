tenant "demo" {
  sandbox {}
}

mirror "m" {
  for_each = toset(["a"])
  drive_id = "b!1"
  target   = "./mirror/m"
}

import {
  to = mirror.m["b"]
}

import {
  to = "mirror.m"
}

moved {
  from = mirror.m["a"]
  to   = mirror.n
}

moved {
  from = mirror.x
  to   = mirror.y
}

moved {
  from = mirror.y
  to   = mirror.x
}

removed {
  from = mirror.m["a"]
}

removed {
  from = tenant.demo
}
