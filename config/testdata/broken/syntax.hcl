mirror "m" {
  target = "./mirror
}
