package view

import (
	"fmt"
	"time"
)

// pauseText is the sentence for a pause, the same in text and events.
func pauseText(tenant string, wait time.Duration, reason string, count int) string {
	text := "waiting " + span(wait) + ", tenant " + tenant + " asked for it"
	switch {
	case reason != "" && count > 0:
		text += fmt.Sprintf(" (%s, %s time)", reason, ordinal(count))
	case reason != "":
		text += " (" + reason + ")"
	}
	return text
}
