package suites

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// The bounds of the files that belong to a suite, beside its own.
const (
	maxFiles     = 100
	maxFileBytes = 1 << 20
	maxAllBytes  = 8 << 20
	maxSource    = 12 << 20 // packed, where control characters take more room
)

// files are what a suite is made of beside its own: what it includes, rows and schemas. Names are relative to the
// suite's directory.
type files struct {
	open func(name string) ([]byte, error) // nil: there is no directory
	kept map[string][]byte
	size int
}

// of reads a file by its name relative to dir, itself relative to the suite's directory, and keeps its bytes.
func (f *files) of(dir, name string) (full string, data []byte, err error) {
	full = path.Join(dir, name)
	switch {
	case f.open == nil:
		return "", nil, errors.New("there are no files beside this suite")
	case name == "" || path.IsAbs(name) || strings.ContainsAny(name, "\\:") || !fs.ValidPath(full) || full == ".":
		return "", nil, errors.New("is not in the suite's directory, want a relative path beneath it")
	}
	if data, kept := f.kept[full]; kept {
		return full, data, nil
	}
	data, err = f.open(full)
	switch {
	case err != nil:
		return "", nil, errors.New(pathReason(err))
	case len(data) > maxFileBytes:
		return "", nil, fmt.Errorf("is more than %d bytes", maxFileBytes)
	case !utf8.Valid(data):
		return "", nil, errors.New("is no UTF-8 text")
	case len(f.kept) == maxFiles || f.size+len(data) > maxAllBytes:
		return "", nil, fmt.Errorf("is one too many, want at most %d files and %d bytes beside a suite", maxFiles, maxAllBytes)
	}
	if f.kept == nil {
		f.kept = map[string][]byte{}
	}
	f.kept[full] = data
	f.size += len(data)
	return full, data, nil
}

// beside opens files in a directory of fsys.
func beside(fsys fs.FS, dir string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) { return read(fsys, path.Join(dir, name), maxFileBytes) }
}

// A rooted is a directory that no link leads out of.
type rooted string

func (r rooted) Open(name string) (fs.File, error) {
	return os.OpenInRoot(string(r), filepath.FromSlash(name))
}

// read takes one byte more than a file may have, so that what is too long is refused.
func read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit+1))
}

// pathReason leaves the path out of an error: the problem names it.
func pathReason(err error) string {
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return "can't be read: " + err.Error()
}

// archiveStart is how the source of a suite with files begins. It is no suite of its own: it lacks the name.
const archiveStart = `{"schema":"plumbline.suite.archive/v1",`

// An archive is the source of a suite of several files, as it is pinned.
type archive struct {
	Schema string     `json:"schema"`
	Suite  string     `json:"suite"`
	Files  []archived `json:"files"`
}

type archived struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// pack is the suite's own bytes, and with other files an archive that always has the same bytes.
func pack(own []byte, kept map[string][]byte) []byte {
	if len(kept) == 0 {
		return slices.Clone(own)
	}
	a := archive{Schema: "plumbline.suite.archive/v1", Suite: string(own)}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		a.Files = append(a.Files, archived{name, string(kept[name])})
	}
	var packed bytes.Buffer
	encoder := json.NewEncoder(&packed)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(a); err != nil {
		return nil // texts can always be written
	}
	return packed.Bytes()
}

// unpack is the opposite of pack.
func unpack(name string, source []byte) (own []byte, f files, err error) {
	if !strings.HasPrefix(string(source[:min(len(source), len(archiveStart))]), archiveStart) {
		return source, files{}, nil
	}
	var a archive
	if err := json.Unmarshal(source, &a); err != nil {
		return nil, files{}, strictyaml.Problems{{File: name, Text: "an archive that can't be read: " + err.Error()}}
	}
	texts := make(map[string]string, len(a.Files))
	for _, file := range a.Files {
		texts[file.Name] = file.Text
	}
	return []byte(a.Suite), files{open: func(name string) ([]byte, error) {
		text, there := texts[name]
		if !there {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	}}, nil
}

// Text is the file of a place in a suite, out of the source of the suite: the one that the place names, of a suite with
// several files, and otherwise the suite's own. It is nil if the source can't be read.
func Text(source []byte, file string) []byte {
	own, f, err := unpack(file, source)
	if err != nil || f.open == nil {
		return own
	}
	for at := 0; ; {
		if data, err := f.open(filepath.ToSlash(file[at:])); err == nil {
			return data
		}
		next := strings.IndexAny(file[at:], `/\`)
		if next < 0 {
			return own
		}
		at += next + 1
	}
}
