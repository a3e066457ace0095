package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
)

// maxCacheFile bounds the token cache; one account has a few kilobytes.
const maxCacheFile = 4 << 20

// cacheFile keeps a device login between runs: readable by its owner only, replaced as a whole.
// Two processes may write it at once; the last one wins, which is harmless, because both wrote a
// valid login and Entra's refresh tokens may be used more than once.
type cacheFile struct{ path string }

// cachePath is where the login is kept: as configured, or in the user's configuration directory
// under a name that belongs to this login, tenant and application alone.
func cachePath(c Config) (string, error) {
	if c.TokenCachePath != "" {
		return c.TokenCachePath, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", &Error{Method: c.Method, Message: "no place for the token cache: " + err.Error(), Advice: "Set token_cache_path to a file that only you can read."}
	}
	key := sha256.Sum256([]byte(strings.ToLower(strings.Join([]string{c.Login, c.TenantID, c.ClientID}, "\n"))))
	return filepath.Join(dir, "spmirror", fmt.Sprintf("login-%x.json", key[:8])), nil
}

// Replace loads the file into MSAL's memory. A missing file is an empty cache.
func (c *cacheFile) Replace(ctx context.Context, into cache.Unmarshaler, _ cache.ReplaceHints) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := c.read()
	if errors.Is(err, fs.ErrNotExist) {
		data, err = []byte("{}"), nil // forgets what memory still holds after a logout
	}
	if err != nil {
		return err
	}
	if err := into.Unmarshal(data); err != nil {
		// Not wrapped: the text may quote the content.
		return &Error{Message: fmt.Sprintf("the token cache %s is damaged", c.path), Advice: "Delete the file and run spmirror login.", LoginRequired: true}
	}
	return nil
}

func (c *cacheFile) read() ([]byte, error) {
	info, err := os.Lstat(c.path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, &Error{Message: fmt.Sprintf("the token cache %s is not a regular file", c.path)}
	case info.Mode().Perm()&0o077 != 0:
		return nil, &Error{Message: fmt.Sprintf("the token cache %s can be read by others (mode %04o)", c.path, info.Mode().Perm()),
			Advice: "Run chmod 600 on it; if others had access to this machine, log out and in again."}
	}
	return readSmallFile(c.path, maxCacheFile)
}

// Export writes the file anew beside the old one and renames it into place.
func (c *cacheFile) Export(ctx context.Context, from cache.Marshaler, _ cache.ExportHints) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := from.Marshal()
	if err != nil {
		return &Error{Message: "the token cache cannot be written: it cannot be encoded"}
	}
	if err := c.write(data); err != nil {
		return &Error{Message: "token cache: " + err.Error()}
	}
	return nil
}

func (c *cacheFile) write(data []byte) error {
	dir := filepath.Dir(c.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".token-cache-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone after the rename
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), c.path)
}
