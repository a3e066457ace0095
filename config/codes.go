package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Code is the stable name of one kind of diagnostic, such as SPM0204. Codes
// SPM01xx are about files and language, SPM02xx about what the blocks say. A code
// never changes its meaning and is never used again.
type Code string

// The codes of files, syntax and language.
const (
	CodeEmpty            Code = "SPM0101"
	CodeSyntax           Code = "SPM0102"
	CodeRead             Code = "SPM0103"
	CodeTooLarge         Code = "SPM0104"
	CodeTooDeep          Code = "SPM0105"
	CodeHiddenCharacter  Code = "SPM0106"
	CodeVersion          Code = "SPM0107"
	CodeUnknownArgument  Code = "SPM0110"
	CodeUnknownBlock     Code = "SPM0111"
	CodeMissingArgument  Code = "SPM0112"
	CodeDuplicateBlock   Code = "SPM0113"
	CodeBlockShape       Code = "SPM0114"
	CodeName             Code = "SPM0115"
	CodeNameCase         Code = "SPM0116"
	CodeExpression       Code = "SPM0120"
	CodeFunction         Code = "SPM0121"
	CodeReference        Code = "SPM0122"
	CodeCycle            Code = "SPM0123"
	CodeSensitive        Code = "SPM0124"
	CodeType             Code = "SPM0125"
	CodeExpansion        Code = "SPM0126"
	CodeForEach          Code = "SPM0127"
	CodeVariableMissing  Code = "SPM0130"
	CodeVariableUnknown  Code = "SPM0131"
	CodeVariableValue    Code = "SPM0132"
	CodeVariableRule     Code = "SPM0133"
	CodeVariableDeclared Code = "SPM0134"
	CodeModule           Code = "SPM0140"
)

// The codes of what the blocks say.
const (
	CodeEnum             Code = "SPM0201"
	CodeSize             Code = "SPM0202"
	CodeDuration         Code = "SPM0203"
	CodeLibrary          Code = "SPM0204"
	CodeRange            Code = "SPM0205"
	CodeTime             Code = "SPM0206"
	CodeSource           Code = "SPM0210"
	CodeTenantMissing    Code = "SPM0211"
	CodeTenantAmbiguous  Code = "SPM0212"
	CodeSourceForm       Code = "SPM0213"
	CodeSourceTwice      Code = "SPM0214"
	CodeTarget           Code = "SPM0220"
	CodeTargetOverlap    Code = "SPM0221"
	CodeTargetProtected  Code = "SPM0222"
	CodeTargetState      Code = "SPM0223"
	CodeGlob             Code = "SPM0230"
	CodeGlobNever        Code = "SPM0231"
	CodeSelectNothing    Code = "SPM0232"
	CodeExtension        Code = "SPM0233"
	CodeAuth             Code = "SPM0240"
	CodeCredential       Code = "SPM0241"
	CodeLiteralSecret    Code = "SPM0242"
	CodeSecretExposed    Code = "SPM0243"
	CodeCredentialMixed  Code = "SPM0244"
	CodeCustomLogin      Code = "SPM0245"
	CodeEnvironment      Code = "SPM0250"
	CodeEndpoint         Code = "SPM0251"
	CodeHost             Code = "SPM0252"
	CodeSandbox          Code = "SPM0255"
	CodeData             Code = "SPM0260"
	CodeDataGap          Code = "SPM0261"
	CodeCheck            Code = "SPM0265"
	CodeAddress          Code = "SPM0270"
	CodeRefactor         Code = "SPM0271"
	CodeOutput           Code = "SPM0275"
	CodeBackend          Code = "SPM0280"
	CodeWithoutProtector Code = "SPM0281"
)

// Explanation is one row of the table behind `explain CODE`.
type Explanation struct {
	Code    Code
	Title   string // a few words
	Explain string // what it means and what to do
}

// Codes returns the table of all codes of this room, sorted by code.
func Codes() []Explanation {
	table := explanations()
	slices.SortFunc(table, func(a, b Explanation) int {
		switch {
		case a.Code < b.Code:
			return -1
		case a.Code > b.Code:
			return 1
		}
		return 0
	})
	return table
}

func explanations() []Explanation {
	return []Explanation{
		{CodeEmpty, "No configuration", "The directory holds no *.hcl or *.hcl.json file. Files named *.vars.hcl hold values and do not count. Run `spmirror init` to write a commented skeleton, or name another directory with -chdir=DIR."},
		{CodeSyntax, "Syntax error", "The file is not valid HCL (or JSON for *.hcl.json). The marked place is where reading stopped; the mistake is there or just before, most often a missing quote, brace or equals sign."},
		{CodeRead, "File cannot be read", "A file of the configuration, a file of values or a file named in a function could not be read. Functions read only below the configuration directory."},
		{CodeTooLarge, "File too large", "A configuration file, a file of values and a file read by a function may have 4 MiB each. Split it, or generate fewer blocks with for_each."},
		{CodeTooDeep, "Nested too deep", "Brackets, blocks and templates may nest 100 deep and one expression may chain 500 operators, one template 500 insertions. No configuration written by people comes near; the limit keeps a hostile file from exhausting memory."},
		{CodeHiddenCharacter, "Hidden character", "The configuration contains a control character or a character that changes the direction of text. What a reviewer sees would differ from what the program reads, so such characters are refused everywhere, comments included."},
		{CodeVersion, "Version not supported", "required_version does not allow this version of the program. Install a version that it allows, or change the constraint. Nothing else of the configuration was looked at."},
		{CodeUnknownArgument, "Unknown argument", "The block has no argument of that name. Unknown arguments are never ignored, because a misspelt limit would be no limit."},
		{CodeUnknownBlock, "Unknown block", "There is no block of that type at this place. Arguments are written with an equals sign, blocks without."},
		{CodeMissingArgument, "Missing argument", "A required argument is not set, or its value is null."},
		{CodeDuplicateBlock, "Declared twice", "The same name, or a block that may appear once, is declared twice. All files of a directory form one configuration."},
		{CodeBlockShape, "Wrong block header", "A block has too many or too few labels, or is written as an argument."},
		{CodeName, "Invalid name", "Names of blocks start with a letter or underscore and go on with letters, digits, underscores and dashes."},
		{CodeNameCase, "Names differ only in case", "Two names or keys differ only in upper and lower case. On file systems that fold case, and to tired eyes, they are one. Rename one of them."},
		{CodeExpression, "Expression failed", "The expression has no value: an attribute that does not exist, an operand of a wrong type, an index out of range."},
		{CodeFunction, "Function failed", "A function does not exist or refused its arguments. Only functions without side effects exist; there is no way to run a command or open a connection."},
		{CodeReference, "Unknown reference", "The expression refers to something that is not declared or not visible here. Visible are var, local, data, tenant, path and module, each inside a block with for_each, mirror in output, check, import, moved and removed, plan in check."},
		{CodeCycle, "Circular reference", "Values refer to each other in a circle, so none can be computed first."},
		{CodeSensitive, "Sensitive value not allowed", "A sensitive value may not decide which blocks exist or where files go, because addresses and paths are shown. Sensitive values are for credentials."},
		{CodeType, "Wrong type", "The value has another type than the argument needs."},
		{CodeExpansion, "Too many or too much", "An expansion is larger than the limits: 10,000 instances of one block, 100,000 elements or 4 MiB of text in one value."},
		{CodeForEach, "Invalid for_each", "for_each takes a map, or a set of strings (use toset for a list), whose keys are known, not null and not empty."},
		{CodeVariableMissing, "Variable without value", "A variable has no default and no value. Give one with -var 'name=value', in a file of values, or with SPMIRROR_VAR_name."},
		{CodeVariableUnknown, "Undeclared variable", "A value was given for a variable that no variable block declares."},
		{CodeVariableValue, "Unsuitable value", "The value given to a variable does not have the type the variable declares. The message names where the value came from."},
		{CodeVariableRule, "Variable refused", "A validation rule of the variable does not hold for the value given."},
		{CodeVariableDeclared, "Invalid variable block", "The declaration of a variable contradicts itself: a type that does not exist, a default of another type, a validation without condition."},
		{CodeModule, "Invalid module", "Modules are local directories whose source starts with ./ or ../ and stays below the configuration directory. Remote sources do not exist."},
		{CodeEnum, "Value not allowed", "The argument takes one of a few words; the message lists them."},
		{CodeSize, "Invalid size", "Sizes are a number with a unit: 512KiB, 10GiB, 1.5TB. Powers of 1024 end in iB, powers of 1000 in B. A bare number is bytes."},
		{CodeDuration, "Invalid duration", "Durations are written as 90m, 72h, 30d or 1d12h. Units: ms, s, m, h, d (24 hours), w (7 days)."},
		{CodeLibrary, "Library not found", "The site has no document library of that name. The name of the default library depends on the language of the site; leave drive out to use it in every language."},
		{CodeRange, "Out of range", "A number is negative, a percentage is above 100, or a limit has a value that would stop all work."},
		{CodeTime, "Invalid time", "Times are written as 2026-01-31 or 2026-01-31T18:00:00Z, hours of a day as 06:00-20:00."},
		{CodeSource, "No source or several", "A mirror reads from exactly one of site, site_id, user, group, drive_id and share_url."},
		{CodeTenantMissing, "No tenant", "A mirror or data block needs a tenant and none is declared, or the reference names none."},
		{CodeTenantAmbiguous, "Several tenants", "Several tenants are declared, so each mirror and data block must say which with tenant = tenant.NAME."},
		{CodeSourceForm, "Invalid source", "The source is not written as its kind needs: a site is its https address, a user its principal name or id, a folder a path that starts at the root of the library."},
		{CodeSourceTwice, "Source mirrored twice", "Two mirrors read the same folder into different targets. This works, and costs twice the disk; most often it is a copy of a block that was not finished."},
		{CodeTarget, "Invalid target", "The target must be a path of the local file system."},
		{CodeTargetOverlap, "Targets overlap", "Two mirrors would write into the same directory, or one target lies inside another, also when upper and lower case are not told apart. Each would take the other's files for foreign ones."},
		{CodeTargetProtected, "Protected target", "The target is a directory of the system, the home directory itself, or the configuration directory or one that contains it. Use a directory of its own."},
		{CodeTargetState, "Target and state overlap", "The state lies inside a target, or a target inside the state. Put the state beside the targets."},
		{CodeGlob, "Invalid pattern", "The pattern is not a valid glob. * matches within one name, ** any number of folders, ? one character, [ab] and {a,b} alternatives; a backslash takes the next character literally."},
		{CodeGlobNever, "Pattern can never match", "No path below the folder can match the pattern. Patterns are relative to folder (a leading slash only anchors them there), use / between names, and have no drive letter and no . or .. segment; names in SharePoint never end in a space or dot."},
		{CodeSelectNothing, "Nothing is selected", "The arguments of select contradict each other, so that no file can ever be selected."},
		{CodeExtension, "Invalid extension", "Extensions are written as pdf or .pdf, without wildcards."},
		{CodeAuth, "No authentication or several", "A tenant has exactly one auth block, or a sandbox block instead of it. There is no chain of fallbacks."},
		{CodeCredential, "Credential missing", "The method of authentication needs a value that is neither in the auth block nor in the environment."},
		{CodeLiteralSecret, "Secret in the configuration", "A secret is written into the configuration, where it would be committed and copied into plan files. Give it through a variable marked sensitive, a file (client_secret_file_path) or the environment."},
		{CodeSecretExposed, "Secret in a shown value", "A sensitive value is used in an argument that appears in plans, reports and logs. The location is shown, the value is not."},
		{CodeCredentialMixed, "Credential of two origins", "oidc_request_url and oidc_request_token belong together. If one is written and the other comes from the environment, the token of a pipeline could be sent to an address that was never meant to have it. Write both, or leave both to the environment."},
		{CodeCustomLogin, "Credentials for a custom login", "With environment = \"custom\" the configuration names the host that receives credentials, so anyone who can propose a change of it could ask for those of the machine that plans. Credentials from the environment, and files outside the configuration directory, are therefore used only if the environment variable SPMIRROR_ALLOW_CUSTOM_LOGIN holds exactly the host (with the port, if there is one) of endpoints.login, or if all endpoints are on loopback."},
		{CodeEnvironment, "Unknown environment", "The environment is one of the Microsoft clouds the program knows, or custom together with an endpoints block."},
		{CodeEndpoint, "Invalid endpoint", "Endpoints are https addresses without path, query or user name. Plain http is allowed on loopback only."},
		{CodeHost, "Invalid host", "allowed_hosts lists names of hosts from which content may be read, such as files.example.com. No scheme, no path, no wildcard, no address literal."},
		{CodeSandbox, "Invalid sandbox", "A sandbox library is either generated or served from a directory, and a tenant has either sandbox or auth and endpoints."},
		{CodeData, "Data cannot be read", "A data block could not be answered, or would return more than max_results. A short list would look like mirrors that vanished, so it is an error."},
		{CodeDataGap, "Data is incomplete", "A single entry of a data block could not be read: a site that is locked, being deleted, or not to be seen. The others are used. Mirrors that may come from it are not planned and keep everything, and nothing is forgotten for it. Leave the entry out with exclude, or set strict = true to let it fail the plan."},
		{CodeCheck, "Check failed", "An assertion does not hold. An advisory check warns, a mandatory one blocks the plan."},
		{CodeAddress, "Invalid address", "Addresses are written as mirror.name or mirror.name[\"key\"]."},
		{CodeRefactor, "Contradicting refactoring", "A moved, removed or import block does not fit the mirrors that are declared."},
		{CodeOutput, "Output failed", "The value of an output cannot be computed, or is sensitive without being marked so."},
		{CodeBackend, "Invalid backend", "The state is a SQLite file on a local file system: backend \"sqlite\" { path = \"spmirror.db\" }."},
		{CodeWithoutProtector, "Protection turned off", "An argument turns a protection off. This is allowed and reported, so that a reviewer sees it."},
	}
}

// coded is what Diagnostic.Extra holds: the code, and what the hcl library had put
// there (facts about a failed function call), which stays reachable.
type coded struct {
	code    Code
	wrapped any
	snippet *snippet // fixed at the end of Load, when all sensitive values are known
}

// UnwrapDiagnosticExtra lets hcl find the extra that the code wraps.
func (c coded) UnwrapDiagnosticExtra() any { return c.wrapped }

// CodeOf returns the code of a diagnostic, or "" when it has none.
func CodeOf(diag *hcl.Diagnostic) Code {
	if c, ok := hcl.DiagnosticExtra[coded](diag); ok {
		return c.code
	}
	return ""
}

// WithCode gives a diagnostic a code, keeping what its Extra held. Other rooms
// use it to make diagnostics that print like ours.
func WithCode(diag *hcl.Diagnostic, code Code) *hcl.Diagnostic {
	diag.Extra = coded{code: code, wrapped: diag.Extra}
	return diag
}

// HasCode reports whether one of the diagnostics carries the code, as plan asks
// for [CodeEmpty].
func HasCode(diags hcl.Diagnostics, code Code) bool {
	return slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return CodeOf(d) == code })
}
