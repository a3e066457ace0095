package apply

// Bounds of what a mirror waits for hosts that fail its downloads (I-54). One file gets the patience of maxBreaks. Once
// so many files in a row were given up, it is the host that is ill and not the files: each of the others is still tried,
// for the first that arrives shows that the host is well again, but not for long.
const (
	maxForsaken = 16
	fewBreaks   = 1
)

// patience is how many transfers of a file may break without progress.
func (m *mirrorRun) patience() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forsaken >= maxForsaken {
		return fewBreaks
	}
	return maxBreaks
}

// forsake takes note of a file that was given up.
func (m *mirrorRun) forsake() {
	m.mu.Lock()
	m.forsaken++
	m.mu.Unlock()
}

// arrived takes note of a file that came whole.
func (m *mirrorRun) arrived() {
	m.mu.Lock()
	m.forsaken = 0
	m.mu.Unlock()
}
