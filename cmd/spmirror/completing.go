package main

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

const completionText = "Prints a script that completes commands and flags.\n\n" +
	"  bash, with the package bash-completion: source <(spmirror completion bash)\n" +
	"  zsh, after compinit:                    source <(spmirror completion zsh)\n" +
	"  fish:       spmirror completion fish > ~/.config/fish/completions/spmirror.fish\n" +
	"  PowerShell: spmirror completion pwsh > spmirror.ps1, and run that file"

// complete offers what the library offers, in the spelling that was begun: -out after one dash, and without the marks of
// the help around the value of a flag.
func complete(ctx context.Context, c *cli.Command) {
	var offered bytes.Buffer
	root := c.Root()
	out := root.Writer
	root.Writer = &offered
	cli.DefaultCompleteWithFlags(ctx, c)
	root.Writer = out
	text := strings.ReplaceAll(offered.String(), "`", "")
	args := c.Args().Slice()
	if begun := strings.Join(args[max(0, len(args)-1):], ""); strings.HasPrefix(begun, "-") && !strings.HasPrefix(begun, "--") {
		text = strings.ReplaceAll("\n"+text, "\n--", "\n-")[1:]
	}
	_, _ = io.WriteString(out, text) // nobody reads what goes wrong here
}
