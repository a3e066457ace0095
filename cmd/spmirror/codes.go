package main

import (
	"slices"
	"strings"

	"github.com/spmirror/spmirror/config"
)

// explanation is what `explain CODE` says of a code.
type explanation struct {
	Code  string `json:"code"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// allCodes is the one registry of codes, in order: those of the configuration come from
// config, all others are here. A test finds every code in the source that is not explained.
func allCodes() []explanation {
	list := slices.Clone(ownCodes)
	for _, c := range config.Codes() {
		list = append(list, explanation{string(c.Code), c.Title, c.Explain})
	}
	slices.SortFunc(list, func(a, b explanation) int { return strings.Compare(a.Code, b.Code) })
	return list
}

// ownCodes: SPM00xx the command line, SPM03xx guards and approval, SPM04xx saved plans,
// SPM05xx single items, SPM06xx sources, SPM07xx the state, SPM08xx targets, SPM09xx the sandbox, SPM10xx watching.
var ownCodes = []explanation{
	{"SPM0000", "Unexpected error", "Something failed that has no code of its own. The message says what. If it does not help, run again with SPMIRROR_LOG=debug and look at the last lines."},
	{"SPM0001", "Cannot change to the directory of -chdir", "The directory given with -chdir does not exist or may not be entered."},
	{"SPM0002", "Invalid command line", "A flag or argument is unknown, missing, or does not fit the others. What was typed is carried out or refused, never ignored. The help of the command (-help) lists its flags."},
	{"SPM0003", "Unknown command", "There is no command of that name. `spmirror -help` lists them all."},
	{"SPM0004", "Cannot open the log file", "The file named in SPMIRROR_LOG_PATH cannot be written. Correct the variable, or unset it to log to stderr."},
	{"SPM0005", "The configuration declares no mirror", "There is nothing to plan. Add a mirror block; `spmirror init` in an empty directory writes an example."},
	{"SPM0006", "The configuration declares no mirror, but the state knows some", "An emptied configuration looks like a mistake, so nothing is done. If it is not the wrong directory and everything is to be forgotten, run `spmirror destroy`."},
	{"SPM0007", "The plan was not saved", "The file of -out cannot be written, or belongs to the state, a configuration or a target, which are never replaced. Nothing was changed."},
	{"SPM0008", "Approval needed", "Nobody can be asked: the input is no terminal, or -json or -input=false was given. Apply a saved plan, or use -auto-approve."},
	{"SPM0009", "The report was not written", "The file of -report cannot be written, or belongs to the state or a target. If that was found before the run, nothing was done; else the run itself is over, and `spmirror runs show` has its results."},
	{"SPM0010", "Cannot read or write a file to format", "A file given to fmt cannot be read, or its directory does not let it be replaced. It is as it was."},
	{"SPM0011", "Cannot write the skeleton", "init found no configuration and could not write one into this directory."},
	{"SPM0012", "No mirror has this address", "The address names no mirror of the configuration or of the state. Addresses are written as mirror.name or mirror.name[\"key\"]; `spmirror state list` shows those of the state."},
	{"SPM0013", "Nothing is known of this path", "Neither the recorded source nor the target has an item at this path. Paths are relative to the mirror's folder."},
	{"SPM0014", "Unknown code", "There is no code of that name. `spmirror explain` lists all codes."},
	{"SPM0015", "Unknown output", "The configuration declares no output of that name."},
	{"SPM0016", "Nothing to log in to", "Only tenants with auth \"device_code\" have a login; all other methods sign in by themselves."},
	{"SPM0017", "Login failed", "The person did not finish the login, or the login refused it. Nothing was stored."},
	{"SPM0018", "Which tenant is not clear", "The command asks one tenant, and the configuration declares none, several, or not the one that was named. Name one with -tenant."},
	{"SPM0030", "A further output file was not written", "A file of -json-into, -md-into or -html-into cannot be written, or belongs to the state, a configuration or a target. Its directory must exist and be writable; an older file stays as it is."},
	{"SPM0019", "The manual pages were not written", "The directory of `spmirror man -dir=DIR` does not exist or cannot be written."},
	{"SPM0274", "A moved block leads to a mirror that the state knows", "The state has both mirrors, so one cannot become the other. The old one is forgotten and its files stay. To go on with it instead, remove the new one from the state and plan again."},
	{"SPM0031", "The plan does not fit into -max-bytes", "Markdown shrinks by levels until it fits, deletes last, but the totals and the sums of deletes are never left out. They alone take more bytes than allowed; the message says how many. Raise -max-bytes, or attach `show -html` instead."},
	{"SPM0041", "There is no room for temporary files", "A plan is sorted in a temporary file, in the directory that TMPDIR names. It cannot be made there, or its disk is full; a plan takes about 500 bytes for each change."},
	{"SPM0040", "A flag names nothing", "A glob of -target-path or -replace matches nothing that a planned mirror selects or has on disk, or -target and -exclude leave no mirror. The plan is right as far as it goes, but it is probably not the one that was meant. Globs are relative to the target of each mirror, and case does not count; `spmirror why ADDR PATH` says what is known of a path."},
	{"SPM0039", "The metrics cannot be written", "The file of -metrics-file cannot be read or replaced. Its directory must exist and be writable."},
	{"SPM0301", "Plan blocked by a guard or check", "A guard found more deletes, changes or bytes than it allows, or a mandatory check does not hold. The plan is shown and nothing was changed. If the plan is right, raise the limit in the configuration, or apply with -dangerous-override-guard=NAME -reason=TEXT."},
	{"SPM0302", "-dangerous-override-guard needs -reason", "An override is recorded with its reason. Give one."},
	{"SPM0303", "A reviewed plan is needed", "The approval setting, or the grade of -auto-approve, does not allow to apply this plan without a review. Save it with -out, have it reviewed, and apply the file."},
	{"SPM0310", "Check failed", "A check block of the configuration does not hold on this plan. An advisory check warns, a mandatory one blocks."},
	{"SPM0401", "Saved plan is stale: the mirror was changed", "Another run changed a mirror after the plan was made, the state was restored to an earlier time, the source is another drive or folder by now, or another version of spmirror made the plan and comes to another one. Make a new plan."},
	{"SPM0402", "Flag cannot be used with a saved plan", "A saved plan is carried out as it is, or not at all. Make a new plan with this flag."},
	{"SPM0403", "The plan is not the one that was expected", "The digest of the file is not the one of -expect-digest: it is another plan than the reviewed one."},
	{"SPM0404", "The plan file is refused", "The file is no plan, is of another format, or was altered after it was saved."},
	{"SPM0405", "Cannot open the plan file", "The file does not exist or cannot be read."},
	{"SPM0406", "Saved plan is stale: made for another state", "The plan belongs to a state with another lineage. Check the path of the backend."},
	{"SPM0407", "Saved plan is stale: the configuration changed", "The configuration or its variables are not those that the plan was made from."},
	{"SPM0408", "Saved plan is stale: expired", "The plan is older than plan_max_age."},
	{"SPM0409", "Saved plan is speculative", "The plan was made without the state and can be looked at only."},
	{"SPM0410", "The plan is not covered by the reviewed one", "apply -within planned anew and found deletes, forgets, overwrites of local changes, changes by the configuration or whole mirrors that the reviewed plan does not have, or far more to transfer (-within-tolerance). They are named first. Nothing was changed; have a new plan reviewed."},
	{"SPM0411", "The reviewed plan cannot be compared", "The plan given with -within stands on other ground than the new one: another state, configuration or scope."},
	{codeNotFollowing, "The plan does not follow from the state", "Before a saved plan is carried out it is derived again from the same configuration, state and listing. This one says something else: its numbers are not those of its items, a change is not what planning comes to, one that planning comes to is missing, or a guard or check that blocks is not in it. The file was edited and its digests computed anew. Use -expect-digest to accept only the very file that was reviewed."},
	{"SPM0501", "The item could not be applied", "The message says why. The item stays pending and is tried again by the next run."},
	{"SPM0502", "The content does not match", "The downloaded bytes have another hash or size than the source names, also after trying again. The old file stays. Office files that the service rewrites are kept with content { unverifiable = \"accept\" }."},
	{"SPM0503", "The item changed since the plan", "The source's item is not the one that was reviewed any more. It is left out and part of the next plan; with on_superseded = \"latest\" the new version is taken."},
	{"SPM0504", "The local file changed since the plan", "The file on disk is not the one the plan was made for. It is left alone; the next plan shows it."},
	{"SPM0505", "Something lies in the way", "A file that spmirror does not know lies where a new one should go. on_untracked decides what happens to such files."},
	{"SPM0506", "The item is gone at the source", "It was deleted or moved since the plan. The next plan shows it."},
	{"SPM0507", "The service refuses access", "The application may not read this item. See docs/permissions.md for what to grant."},
	{"SPM0508", "Throttled for too long", "The service asked for a longer pause than a run waits (10 minutes), or throttled 20 times or an hour long without answering once. Everything that is not done yet is left to the next run, which goes on where this one ended. Run again later."},
	{"SPM0509", "The network failed", "The connection of a file or of a request broke again and again, the host could not prove who it is, the proxy refused, or nothing at all could be reached for longer than a run waits (15 minutes, or SPMIRROR_NETWORK_WAIT; one minute as long as nothing has answered). Partial downloads are kept; run again, and the next run goes on where this one ended. Check network, proxy (HTTPS_PROXY) and name resolution."},
	{"SPM0510", "The disk failed", "Reading or writing the target failed. Check the disk, its permissions and its mount."},
	{"SPM0511", "The item cannot be downloaded", "The service has no content for this item."},
	{"SPM0512", "The service found malware", "The service refuses to hand out the content of infected files (C28). Clean or delete the file at the source."},
	{"SPM0513", "The disk is full", "There is no space left on the target, or no inode. Free some and run again."},
	{"SPM0514", "Held back by the plan", "The plan lists this item as blocked and says why; apply leaves it as it is."},
	{"SPM0515", "Delete postponed", "Deletes come last and only for mirrors without failures. Run again when the failures are gone."},
	{"SPM0516", "Locked at the source", "The service answers that the item is locked (423). Run again later, or unlock it at the source."},
	{"SPM0517", "The content cannot be verified", "The service gives no hash, or delivers other bytes than it lists, and content { unverifiable = \"fail\" } asks for a verified file."},
	{"SPM0519", "The source does not confirm the deletes", "Before anything of a mirror is deleted, the mirror's folder, up to three items that ought to be there and up to sixteen of the items to be deleted are read once more. Something that the plan deletes is still there, or something that ought to be there may not be read or none of it is found: permission may be lost, an item may be back, or the listing was wrong. Nothing of the mirror was deleted, everything else was done. Plan again; if it comes again, plan with -full and see what `spmirror why` says of the item."},
	{"SPM0518", "The sign-in failed", "No access token could be had, or Microsoft Graph refuses the one that was had, also after it was renewed, so nothing of this tenant can be read. The message has the reason of the login. Check tenant_id, the credential and the network to the login (`spmirror doctor` tries them); what is not done yet is left to the next run."},
	{"SPM0520", "The directory of a shortcut is not where the plan has it", "A mirror that follows a shortcut is filled when the mirror that has the shortcut has made or moved its directory. That one could not, for the reason that it gives, so nothing was changed here. Plan and apply again."},
	{"SPM0521", "An earlier version would exceed max_download_bytes", "How many bytes earlier versions of files have is known when the apply lists them, so no plan can count them. The apply fetches them as long as they and the downloads of the plan are together not more than guard { max_download_bytes }. The file itself is there, and the next plan asks for what is missing."},
	{"SPM0601", "Microsoft Graph refused a request", "The message has the service's own words and the request id for its support."},
	{"SPM0602", "The user has no OneDrive", "The user exists but has no drive, for lack of a licence or because it was never opened."},
	{"SPM0603", "Site not found", "No site has this address, or the application may not see it (Sites.Selected)."},
	{"SPM0604", "Library not found", "The site has no library of this name. The message lists those that it has."},
	{"SPM0605", "Folder not found", "The library has no folder at this path."},
	{"SPM0606", "The source was never read", "There is no recorded listing to plan from. Run a plan without -refresh=false first."},
	{"SPM0607", "The sharing link does not lead to a folder", "A mirror needs a folder as its source. Share the folder and use its link, or name site, drive and folder."},
	{"SPM0608", "An answer of the service cannot be understood", "What came is not what Microsoft Graph answers, also after trying again: no JSON, a status that has no place there, or more than any answer should have. Most often a proxy or the sign-in page of a network answered in its place. Nothing was changed."},
	{"SPM0609", "The service does not find the source", "The drive_id, user, group, share_url or site_id of a mirror leads nowhere, or to what the application may not see. Correct it; `spmirror discover` lists what can be read."},
	{"SPM0621", "A shortcut leads to nothing that can be read", "With content { shortcuts = \"follow\" } a shortcut leads to a folder of another library, and the application may not read that library, or the folder is not there any more. What was mirrored of it stays as it is, and everything else is planned. Grant access to the library, or exclude the shortcut with select { exclude }."},
	{"SPM0618", "A list of the tenant is refused", "Sites or users cannot be listed with the permissions that the application has. Grant what the message names, or name the sites: with Sites.Selected nothing can be listed, but what is named and granted can be read."},
	{"SPM0619", "More was found than -max-results", "A list that is cut off would look like a whole one, so nothing was written. Raise the limit or narrow the search."},
	{"SPM0620", "The configuration was not written", "The file of -generate-config-out exists already, is no name that the program would read, or cannot be written. An existing file is never overwritten."},
	{"SPM0611", "The drive is gone", "The service knows the drive no more. Nothing is deleted; correct the source, or remove the mirror."},
	{"SPM0612", "The drive is not accessible", "The application may not read this drive any more. Nothing is deleted."},
	{"SPM0613", "The site is locked", "An administrator locked or archived the site. Nothing is deleted."},
	{"SPM0614", "The listing does not end", "The service sent the same page again and again. Nothing is deleted; run again later."},
	{"SPM0615", "The listing is broken", "A page of the listing cannot be understood, also after trying again. A proxy or the sign-in page of a network may have answered in place of the service. Nothing is deleted."},
	{"SPM0616", "The listing is empty", "A drive that held items answers with none. Nothing is deleted."},
	{"SPM0617", "Items without a usable description", "The service described some items in a way that breaks its own protocol, for example without a name. They keep what was known of them, nothing of them is deleted, and every plan asks for them again and names them until they are read. Rename or save them again in SharePoint, or give the request to its support."},
	{"SPM0701", "The state is locked", "Another run holds the lock of the state. Wait for it, or use -lock-timeout. The lock is the kernel's and ends with the process that holds it; `spmirror force-unlock` only clears a text record that a dead process left."},
	{"SPM0702", "The state was written by a newer spmirror", "Use that version or a later one. Nothing was changed."},
	{"SPM0703", "The state cannot be used", "The file is damaged, or is no state. Run `spmirror state rebuild`, which keeps it and makes a new one from the targets without downloading what is there. Or restore the newest backup from beside it; if a run went on after that backup, the next plan says so (SPM0713)."},
	{"SPM0704", "The state is missing", "Targets belong to a state that is not where the configuration says. Restore it or correct the path; an empty state would make all files look foreign. If it is lost, `spmirror state rebuild` makes a new one from the targets and downloads nothing that is there."},
	{"SPM0705", "The state could not be backed up", "Before deletes and edits of the state a copy is made. That failed, so nothing was done."},
	{"SPM0706", "There is no state yet", "The command reads recorded data and there is none. `spmirror init` or the first plan creates the state."},
	{"SPM0707", "The state cannot be edited this way", "The address is not one, another mirror of the state has it already, or an interrupted run has to be brought in order first."},
	{"SPM0708", "The state was not exported", "The file of -out could not be written; an existing file is never overwritten."},
	{"SPM0709", "Unknown run", "The state has no run of this number. `spmirror runs list` shows them."},
	{"SPM0710", "There is nothing to rebuild from", "`spmirror state rebuild` makes records anew from targets that have their marker, and none of the named mirrors has one. A plan compares directories without a marker by itself, and adopts equal files."},
	{"SPM0711", "The target belongs to another state", "The marker in the target names another state than the present one. If that state is lost for good, `spmirror state rebuild -adopt=LINEAGE` takes the target over; if it still exists, restore it instead."},
	{"SPM0712", "The state cannot be read or written", "The file of the state, its lock or its directory cannot be opened or written: the user may not, the disk is full, read-only or a network file system, or another program holds the file. What was committed is kept."},
	{"SPM0713", "The state is older than the target", "The target names the run that changed it last, and the state does not know that run: an older state was put back, or this is a copy that stayed behind while another went on. What it says of the target is not so any more, so nothing of the mirror is planned or done. Put the newest state back. If it is lost, `spmirror state rebuild ADDR` reads what is there, downloads nothing that matches the source, deletes nothing, and goes on from there. A mirror that is not declared any more is forgotten with `spmirror state rm ADDR`."},
	{"SPM0721", "The inventory cannot be used", "The file of -inventory does not exist or is no inventory. `spmirror state export -inventory -out=FILE` makes one where the state is."},
	{"SPM0722", "The state is an inventory", "The path of the backend names an inventory. It is a reduced copy for `plan -inventory=FILE`; nothing can be applied with it."},
	{"SPM0723", "The inventory does not know a source", "A plan from an inventory asks no source, and this site or library was never read where the inventory comes from. Plan such a mirror where the state is."},
	{"SPM0801", "The target has lost its marker", "The directory is there but is not marked as this mirror's target: most often a disk that is not mounted. If it was emptied on purpose, forget the mirror with `spmirror state rm ADDR`: the next plan takes over what is there and downloads the rest."},
	{"SPM0802", "The target belongs to another mirror or state", "The marker in the directory names another mirror or another state. Check the target path and the path of the backend."},
	{"SPM0803", "Cannot do this with the trash", "The path names nothing in the trash, or more than one file, or its old place is taken; or the directory of -forgotten is not the target of a mirror that was forgotten."},
	{"SPM0804", "The target is in use by another process", "Another run, of this or another state, holds the lock of the target directory. The lock belongs to the process and dies with it; wait for that run to end."},
	{"SPM0805", "The target cannot be used", "The directory of a mirror cannot be made, read or written: it is no directory, the user may not, the disk is full or mounted read-only, or its marker is damaged. `spmirror doctor` tries what the file system can do."},
	{"SPM0811", "The new target is on another device", "A target moves with one rename, which works on one device only. Move the directory yourself, with all that is in it and the .spmirror directory, and plan again: its marker shows that it is the same target, and nothing is downloaded."},
	{"SPM0812", "Something lies where the target is to move", "The directory of the new target exists and is not empty. Nothing is overwritten: choose another path, or move away what lies there."},
	{"SPM0901", "The sandbox cannot be served", "The address cannot be listened on, the options do not fit, or a directory, script or journal that it needs cannot be read or written."},
	{"SPM1001", "Notifications cannot be received", "The address of -listen is taken, not of this machine, or open to others without a certificate. Plain http is served on loopback only: give -tls-cert and -tls-key, or let a proxy on this machine end TLS."},
	{"SPM1002", "The certificate cannot be used", "The files of -tls-cert and -tls-key must hold a PEM certificate chain and its unencrypted key, and belong together."},
	{"SPM1003", "The configuration was not read again", "After SIGHUP the configuration has mistakes. The watch goes on with the one that it had. Correct it and send SIGHUP again; `spmirror validate` shows the mistakes."},
	{"SPM1004", "No notifications", "The service did not take a subscription, for the reason that the message gives. The drives are asked at the -interval instead, nothing is missed, and the subscription is tried again by itself."},
	{"SPM1005", "No notifications: permission is missing", "Microsoft asks for Files.ReadWrite.All to subscribe to a drive, although nothing is written; some pages say that Files.Read.All is enough. Without it the drives are asked at the -interval. Leave -listen out if that is what you want."},
	{"SPM1006", "No notifications: the address was not confirmed", "Before a subscription the service calls the -notification-url and wants an answer within 10 seconds. It did not get one: the address must be reachable from the internet over https with a certificate that is trusted, and lead to -listen with its path unchanged."},
	{"SPM1007", "No notifications: too many subscriptions", "The service keeps no more subscriptions for this application. Drives without one are asked at the -interval. Subscriptions of other programs with the same application count as well."},
}
