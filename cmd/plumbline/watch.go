package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/suites"
)

// glance is how often watched files are looked at.
const glance = 300 * time.Millisecond

// maxWatched bounds how many files are looked at: nobody waits for a walk through a whole disk.
const maxWatched = 10_000

// watch asks again whenever a file changes that suites are made of, until it is interrupted.
func (a *app) watch(ctx context.Context, paths []string, f runFlags) error {
	style := term.StyleOf(a.Err, a.Getenv)
	for first := true; ; first = false {
		before, err := a.watched(paths)
		if err != nil {
			return err
		}
		err = a.run(ctx, paths, f)
		switch code, quiet := codeOf(ctx, err); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && first && code == exitUsage && !isProblems(err):
			return err // flags don't change
		case err != nil && !quiet:
			a.printError(err)
		}
		fmt.Fprintln(a.Err, style.Dim("waiting for a change; Ctrl-C ends this"))
		changed, err := a.change(ctx, paths, before)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.Err, "\n%s %s\n", style.Cyan("──"), style.Bold(changed+" changed"))
	}
}

// A stamp tells versions of a file apart.
type stamp struct {
	at   time.Time
	size int64
}

// change waits until a watched file is another one, and names it.
func (a *app) change(ctx context.Context, paths []string, before map[string]stamp) (string, error) {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-ticker.C:
		}
		now, err := a.watched(paths)
		if err != nil {
			return "", err
		}
		if !maps.Equal(before, now) {
			return different(before, now), nil
		}
	}
}

func different(before, now map[string]stamp) string {
	for file, s := range now {
		if before[file] != s {
			return file
		}
	}
	for file := range before {
		if _, there := now[file]; !there {
			return file
		}
	}
	return "something"
}

// watched are the files that paths lead to and those beside and beneath them, which they may include, and the
// configuration. Hidden ones are left out.
func (a *app) watched(paths []string) (map[string]stamp, error) {
	files := map[string]stamp{}
	config := a.config
	if config == "" {
		config = configs.DefaultFile
	}
	note(files, config)
	for _, path := range paths {
		if strings.HasPrefix(path, suites.ShippedPrefix) {
			continue
		}
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			path = filepath.Dir(path)
		}
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // what is gone by now is a change
			case strings.HasPrefix(entry.Name(), ".") && name != path && entry.IsDir():
				return fs.SkipDir
			case isWatched(entry):
				note(files, name)
			}
			if len(files) > maxWatched {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			return nil, usagef("%w", err)
		}
	}
	if len(files) > maxWatched {
		return nil, usagef("--watch: more than %d files beneath %s", maxWatched, strings.Join(paths, ", "))
	}
	return files, nil
}

// isWatched says whether a suite may be made of the file.
func isWatched(entry fs.DirEntry) bool {
	switch filepath.Ext(entry.Name()) {
	case ".yaml", ".csv", ".json":
		return !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".")
	}
	return false
}

func note(files map[string]stamp, name string) {
	if info, err := os.Stat(name); err == nil {
		files[name] = stamp{info.ModTime(), info.Size()}
	}
}

// isProblems says whether files are wrong, which an editor can change.
func isProblems(err error) bool {
	var problems strictyaml.Problems
	return errors.As(err, &problems)
}
