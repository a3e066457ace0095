package target

import (
	"sync"
)

// counter counts operations.
type counter struct {
	mu  sync.Mutex
	ops []string
}

func (c *counter) Before(op, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, op)
	return nil
}

func (c *counter) of(op string) (n int) {
	for _, o := range c.ops {
		if o == op {
			n++
		}
	}
	return n
}
