package state

import (
	"context"
	"database/sql/driver"
	"strings"
)

// insertRows is how many rows one bulk statement carries; with 15 columns more rows per statement gain nothing.
const insertRows = 20

// inserter writes many rows with few crossings into C: rows are collected and sent by a statement of insertRows rows, the last ones one by
// one. It uses the driver's query path, which binds all arguments and steps in one call.
type inserter struct {
	c     *conn
	many  string
	one   string
	width int
	args  []driver.NamedValue
	used  int // rows queued in args
}

// inserter prepares bulk inserts: head is "INSERT INTO t (…)", width the number of columns, tail what follows the values, if anything.
func (c *conn) inserter(head string, width int, tail string) *inserter {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", width), ",") + ")"
	in := &inserter{
		c:     c,
		one:   head + " VALUES " + row + tail,
		many:  head + " VALUES " + strings.TrimSuffix(strings.Repeat(row+",", insertRows), ",") + tail,
		width: width,
		args:  make([]driver.NamedValue, width*insertRows),
	}
	for i := range in.args {
		in.args[i].Ordinal = i + 1
	}
	return in
}

// add queues one row; the values must be int64, string or []byte already.
func (in *inserter) add(values ...driver.Value) error {
	for i, v := range values {
		in.args[in.used*in.width+i].Value = v
	}
	in.used++
	if in.used < insertRows {
		return nil
	}
	in.used = 0
	return in.c.step(in.many, in.args)
}

// flush sends the rows that are still queued.
func (in *inserter) flush() error {
	n := in.used
	in.used = 0
	if n == 0 {
		return nil
	}
	row := make([]driver.NamedValue, in.width)
	for i := range n {
		for j := range row {
			row[j] = driver.NamedValue{Ordinal: j + 1, Value: in.args[i*in.width+j].Value}
		}
		if err := in.c.step(in.one, row); err != nil {
			return err
		}
	}
	return nil
}

// step runs a statement without rows through the fused query path. It is not interruptible.
func (c *conn) step(query string, args []driver.NamedValue) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args)
	if err != nil {
		return sqliteError(err)
	}
	return sqliteError(rows.Close())
}
