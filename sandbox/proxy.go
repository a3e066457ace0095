package sandbox

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// serveProxy starts the CONNECT proxy: whatever host a client asks for, it reaches the sandbox, which
// tells hosts apart by name. So clients that know only the real hosts can be pointed here (CLIENTS 3A).
func (s *Server) serveProxy(host string) error {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	s.proxy, s.ProxyURL = l, "http://"+l.Addr().String()
	to := strings.TrimPrefix(s.GraphURL, "https://")
	s.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.tunnels.Go(func() { s.tunnel(conn, to) })
		}
	})
	return nil
}

// hold keeps a connection so that Close can end it; false when the server is closed.
func (s *Server) hold(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) release(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close()
}

// tunnel serves one connection of the proxy.
func (s *Server) tunnel(client net.Conn, to string) {
	if !s.hold(client) {
		_ = client.Close()
		return
	}
	defer s.release(client)
	_ = client.SetReadDeadline(time.Now().Add(30 * time.Second))
	in := bufio.NewReader(client)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if r.Method != http.MethodConnect {
		_, _ = io.WriteString(client, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	_ = client.SetReadDeadline(time.Time{})
	server, err := net.Dial("tcp", to)
	if err != nil {
		_, _ = io.WriteString(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	if !s.hold(server) {
		_ = server.Close()
		return
	}
	defer s.release(server)
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	s.tunnels.Go(func() {
		_, _ = io.Copy(server, in)
		if tcp, ok := server.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	})
	_, _ = io.Copy(client, server)
}
