package auth

import (
	"net/http"
	"testing"

	"github.com/spmirror/spmirror/graph"
)

func TestAnEmulatedLoginNeedsNoDiscoveryDocument(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (*fakeLogin, Config){"tls": serve, "plain": servePlain, "public cloud": servePublic} {
		for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed} {
			login, c := start(t)
			login.bare = status
			token, err := mustNew(t, c).Token(t.Context(), graph.TokenRequest{})
			if err != nil || token != "token-1" || len(login.seen()) != 1 {
				t.Errorf("%s, %d: token %q, error %v, %d forms", name, status, token, err, len(login.seen()))
			}
		}
	}
}

func TestALoginThatRefusesItsDiscoveryDocumentIsNotGuessedAt(t *testing.T) {
	login, c := serve(t)
	login.bare = http.StatusBadRequest // such as an unknown tenant
	if _, err := mustNew(t, c).Token(t.Context(), graph.TokenRequest{}); err == nil || len(login.seen()) != 0 {
		t.Errorf("error %v, %d forms", err, len(login.seen()))
	}
}

// servePublic answers in place of the public cloud, as behind a proxy that leads every host to an emulator.
func servePublic(*testing.T) (*fakeLogin, Config) {
	login := &fakeLogin{root: "https://login.microsoftonline.com"}
	return login, configFor(login.root, &http.Client{Transport: handlerTransport{login}})
}
