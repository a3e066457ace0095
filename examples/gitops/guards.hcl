# Limits that every plan has to respect. They are reviewed like everything else.

guard {
  max_delete_percent = 5
  max_download_bytes = "300GiB"
  min_free_space     = "100GiB"
}

check "nightly_size" {
  assert {
    condition     = plan.totals.download_bytes < bytes("50GiB")
    error_message = "This run would download ${plan.totals.download_bytes} bytes; raise the limit in guards.hcl if that is meant."
  }
}

check "all_libraries_present" {
  enforcement = "mandatory"

  assert {
    condition     = length(var.libraries) >= 2
    error_message = "Fewer than two libraries are declared. A list that was cut short looks like this."
  }
}

output "tracked_files" {
  description = "Files on disk by library, known once there is a state."
  value       = { for name, m in mirror.library : name => try(m.tracked_files, 0) }
}
