package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// A RefreshGrant is a refresh token that may be replaced whenever it is used.
type RefreshGrant struct {
	File  string        // that keeps it: read before each use, and written when the token is replaced
	Value func() string // the token, if no file keeps it: then it can't be replaced
}

// refresh trades the refresh token for an access token. Its file is locked for as long as that takes, so that of
// several daemons each begins with what the one before it left.
func (l *login) refresh(ctx context.Context) (*granted, error) {
	kept, err := l.by.Refresh.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("auth %s: its refresh token: %w", l.by.Name, err)
	}
	defer kept.release()
	if err := l.by.lostWith(kept.token); err != nil {
		return nil, err
	}
	l.hidden = append(l.hidden, kept.token)
	has, err := l.ask(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {kept.token}})
	if err != nil {
		return nil, err
	}
	next := strings.TrimSpace(has.token.RefreshToken)
	if next == "" || next == kept.token {
		return has, nil
	}
	if err := kept.replace(next); err != nil {
		return nil, l.by.lose(kept.token, err)
	}
	has.hidden = append(has.hidden, next)
	return has, nil
}

// lose remembers that a refresh token is used up, so that it isn't tried again and the reason stays the same.
func (a *account) lose(burnt string, err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.burnt = burnt
	a.whyNot = fmt.Errorf("auth %s: the token endpoint replaced the refresh token, and the new one is lost: %w", a.Name, err)
	return a.whyNot
}

func (a *account) lostWith(token string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.whyNot != nil && a.burnt == token {
		return a.whyNot
	}
	return nil
}

// taken is a refresh token that nobody else uses until it is released.
type taken struct {
	token string
	file  string // "" if none keeps it
	lock  *flock.Flock
	next  *os.File // where a replacement will be written
	stuck error    // why a replacement can't be kept
}

const lockPause = 20 * time.Millisecond

func (g *RefreshGrant) take(ctx context.Context) (*taken, error) {
	if g.File == "" {
		if g.Value == nil || g.Value() == "" {
			return nil, errors.New("there is none")
		}
		return &taken{token: g.Value(), stuck: errors.New("an environment variable can't keep it, name it by {file: PATH}")}, nil
	}
	file, err := filepath.EvalSymlinks(g.File) // a rename would replace the link
	if err != nil {
		return nil, plainPath(g.File, err)
	}
	k := &taken{file: file, lock: flock.New(file+".lock", flock.SetPermissions(0o600))}
	if locked, err := k.lock.TryLockContext(ctx, lockPause); ctx.Err() != nil {
		return nil, fmt.Errorf("%s.lock is held by another process", file)
	} else if !locked {
		k.stuck = plainPath(file+".lock", err) // a directory that can't be written: it will do unless the token is replaced
	}
	if k.token, err = readToken(file); err != nil {
		k.release()
		return nil, err
	}
	if k.stuck == nil {
		// Made before the token is used up: a disk that is full is found in time.
		if k.next, err = os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*"); err != nil {
			k.stuck = plainPath(filepath.Dir(file), err)
		}
	}
	return k, nil
}

// replace keeps the next token in the file: whole or not at all, and on disk when it returns.
func (k *taken) replace(token string) error {
	if k.stuck != nil {
		return k.stuck
	}
	_, err := io.WriteString(k.next, token+"\n")
	if err == nil {
		err = k.next.Sync()
	}
	if err == nil {
		err = os.Rename(k.next.Name(), k.file) // #nosec G703 -- a file that the configuration names
	}
	if err != nil {
		return plainPath(k.file, err)
	}
	if dir, err := os.Open(filepath.Dir(k.file)); err == nil {
		_ = dir.Sync() // the token is in its place; whether that outlives a power cut is up to the file system
		_ = dir.Close()
	}
	return nil
}

func (k *taken) release() {
	if k.next != nil {
		_ = k.next.Close()
		_ = os.Remove(k.next.Name()) // #nosec G703 -- a file beside one that the configuration names; gone if it replaced that
	}
	if k.lock != nil {
		_ = k.lock.Close()
	}
}

// maxToken bounds a refresh token, in bytes.
const maxToken = 64 << 10

// readToken reads a file that nobody else can read.
func readToken(file string) (string, error) {
	f, err := os.Open(file) // #nosec G304 -- a file that the configuration names
	if err != nil {
		return "", plainPath(file, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", plainPath(file, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no regular file", file)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("%s has mode %#o: others can read it (chmod 600 %s)", file, info.Mode().Perm(), file)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	token := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", plainPath(file, err)
	case len(data) > maxToken:
		return "", fmt.Errorf("%s has more than %d bytes", file, maxToken)
	case token == "":
		return "", fmt.Errorf("%s is empty", file)
	}
	return token, nil
}

// plainPath says once which file it is about.
func plainPath(file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("%s: %w", file, err)
}
