tenant "demo" {
  sandbox {}
}

mirror "bad" {
  drive_id = "b!1"
  target   = "./mirror/1"
  select {
    include = ["[a", "C:/x/*", "a/../b", "a//b", "Draft /x", "a\\b", "a:b", "", "ok/**", "/anchored.docx"]
    exclude = ["x{a,b", "x."]
  }
}

mirror "nothing" {
  drive_id = "b!2"
  target   = "./mirror/2"
  select {
    include            = ["Archive/2020/*.docx", "Thumbs.db"]
    exclude            = ["archive/", "*.DB"]
    extensions         = ["pdf", ".docx"]
    exclude_extensions = ["PDF", "DOCX"]
    min_size           = "10MiB"
    max_size           = "1MiB"
    modified_after     = "2026-05-01"
    modified_before    = "2026-04-01"
  }
}

mirror "partly" {
  drive_id = "b!3"
  target   = "./mirror/3"
  select {
    include            = ["Archive/keep.docx", "Reports/**", "*.pdf"]
    exclude            = ["Archive/**"]
    extensions         = ["docx", "xlsx"]
    exclude_extensions = ["xlsx", "*.tmp"]
  }
}
