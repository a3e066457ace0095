# Rules of a house for plans, for conftest or OPA on the output of `spmirror show -json`.
# They are examples: guards and checks of the configuration need no other program. A policy
# outside of the repository is for what a pull request must not be able to change.
package main

import rego.v1

# What is never deleted for good by a pull request.
deny contains msg if {
	some change in input.item_changes
	"delete" in change.actions
	change.disposal == "delete"
	msg := sprintf("%s: %s would be deleted for good", [change.mirror, change.path])
}

# A folder that people must ask for is not deleted at all.
deny contains msg if {
	some change in input.item_changes
	"delete" in change.actions
	startswith(lower(change.path), "contracts/")
	msg := sprintf("%s: %s is a contract", [change.mirror, change.path])
}

# Targets lie where there is room for them.
deny contains msg if {
	some mirror in input.mirrors
	not startswith(mirror.target.path, data.targets)
	msg := sprintf("%s: the target %s lies outside of %s", [mirror.address, mirror.target.path, data.targets])
}

# One pull request downloads so much.
deny contains msg if {
	input.totals.download_bytes > data.max_download_bytes
	msg := sprintf("%d bytes would be downloaded, more than %d", [input.totals.download_bytes, data.max_download_bytes])
}

# Nobody overrides a guard by approving a pull request.
deny contains msg if {
	some guard in input.guards
	guard.status != "pass"
	msg := sprintf("%s: guard %s found %s, limit %s", [guard.mirror, guard.name, guard.value, guard.limit])
}

# A plan that does not know everything is not approved.
deny contains "some mirrors could not be planned" if not input.complete

# What is worth a look.
warn contains msg if {
	some mirror in input.mirrors
	n := mirror.summary.forget.files
	n > 0
	msg := sprintf("%s: files that would be forgotten and stay on disk: %d", [mirror.address, n])
}

warn contains msg if {
	some change in input.item_changes
	"blocked" in change.actions
	msg := sprintf("%s: %s is held back (%s)", [change.mirror, change.path, change.reason])
}
