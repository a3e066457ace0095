package main

import (
	"bufio"
	"fmt"
	"strings"
)

// confirm asks a question. It returns nil for the answer yes and for nothing else. Instead says what to use where nobody answers.
func (s *session) confirm(question, cancelled, instead string) error {
	fmt.Fprint(s.env.stdout, "\n"+question+"\n  Only 'yes' will be accepted to approve.\n\n  Enter a value: ")
	line, err := bufio.NewReader(s.env.stdin).ReadString('\n')
	fmt.Fprintln(s.env.stdout)
	if strings.TrimSpace(line) == "yes" {
		return nil
	}
	if err != nil && line == "" {
		return &problem{code: "SPM0008", summary: "Approval needed", detail: "Nobody answered. Use " + instead + ". Nothing was done.", exit: exitDeclined}
	}
	fmt.Fprintln(s.env.stdout, cancelled)
	return exitStatus(exitDeclined)
}
