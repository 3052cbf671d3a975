package suites

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// ShippedPrefix marks the name of shipped suites among paths: shipped:plum.
const ShippedPrefix = "shipped:"

// Load reads the suites at paths: files, directories with all that is in them, and shipped suites such as
// shipped:plum. The error is strictyaml.Problems and has all problems of all files. Suites come in the order of paths,
// and of file names within a directory.
func Load(paths []string, o Options) ([]Suite, error) {
	l := newLoader(o)
	for _, each := range paths {
		if name, shipped := strings.CutPrefix(each, ShippedPrefix); shipped {
			l.shipped(name)
			continue
		}
		l.path(each)
	}
	return l.end()
}

// LoadFS reads the suites beneath a directory of fsys, "." for all.
func LoadFS(fsys fs.FS, dir string, o Options) ([]Suite, error) {
	l := newLoader(o)
	l.tree(fsys, fsys, dir, func(name string) string { return name })
	return l.end()
}

type loader struct {
	options  Options
	suites   []Suite
	problems strictyaml.Problems
	files    []string
	nameless map[string]strictyaml.Problems // of files that aren't suites, unless a suite includes them
	included map[string]bool
}

func newLoader(o Options) *loader {
	return &loader{options: o.withDefaults(), nameless: map[string]strictyaml.Problems{}, included: map[string]bool{}}
}

func (l *loader) wrong(file, hint, text string) {
	l.problems = append(l.problems, strictyaml.Problem{File: file, Text: text, Hint: hint})
}

func (l *loader) end() ([]Suite, error) {
	for file, problems := range l.nameless {
		if !l.included[file] {
			l.problems = append(l.problems, problems...)
		}
	}
	if len(l.files) == 0 && len(l.problems) == 0 {
		return nil, strictyaml.Problems{{File: "suites", Text: "no path to load from"}}
	}
	if err := l.problems.Sorted().Err(); err != nil {
		return nil, err
	}
	return l.suites, nil
}

func (l *loader) shipped(name string) {
	names := ShippedNames()
	if !slices.Contains(names, name) {
		l.wrong(ShippedPrefix+name, strictyaml.DidYouMean(name, names), "no such shipped suites")
		return
	}
	l.tree(Shipped, Shipped, name, func(file string) string { return ShippedPrefix + file })
}

func (l *loader) path(name string) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		l.wrong(name, "", pathReason(err))
	case info.IsDir():
		l.tree(os.DirFS(name), rooted(name), ".", func(file string) string { return filepath.Join(name, filepath.FromSlash(file)) })
	case !info.Mode().IsRegular():
		l.wrong(name, "", "is no file")
	default:
		l.file(os.DirFS(filepath.Dir(name)), rooted(filepath.Dir(name)), filepath.Base(name), name)
	}
}

// tree reads every *.yaml beneath a directory. Hidden names are left alone: Kubernetes keeps second copies in them. What
// suites include is read from inside, where no link leads out.
func (l *loader) tree(fsys, inside fs.FS, dir string, shown func(string) string) {
	before := len(l.files) + len(l.problems)
	err := fs.WalkDir(fsys, dir, func(name string, entry fs.DirEntry, err error) error {
		hidden := name != dir && strings.HasPrefix(path.Base(name), ".")
		switch {
		case err != nil:
			return err
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden || entry.IsDir():
		case path.Ext(name) == ".yaml":
			l.file(fsys, inside, name, shown(name))
		case path.Ext(name) == ".yml":
			l.wrong(shown(name), "rename it to .yaml", "is not loaded")
		case entry.Type()&fs.ModeSymlink != 0:
			if info, err := fs.Stat(fsys, name); err != nil || info.IsDir() {
				l.wrong(shown(name), "name the directory itself", "a link that is not followed")
			}
		}
		return nil
	})
	switch {
	case err != nil:
		l.wrong(shown(dir), "", pathReason(err))
	case len(l.files)+len(l.problems) == before:
		l.wrong(shown(dir), "", "has no suite in it, want a file such as smoke.yaml")
	}
}

func (l *loader) file(fsys, inside fs.FS, name, shown string) {
	l.files = append(l.files, shown)
	data, err := read(fsys, name, strictyaml.MaxBytes)
	if err != nil {
		l.wrong(shown, "", pathReason(err))
		return
	}
	p := newParser(shown, files{open: beside(inside, path.Dir(name))}, l.options)
	suite, err := p.parse(data)
	for file := range p.included {
		l.included[p.shown(file)] = true
	}
	var problems strictyaml.Problems
	switch errors.As(err, &problems); {
	case err != nil && p.nameless:
		l.nameless[shown] = problems
		return
	case err != nil:
		l.problems = append(l.problems, problems...)
		return
	}
	for _, other := range l.suites {
		if other.Name == suite.Name {
			l.wrong(shown, "names of suites are unique", "a second suite "+suite.Name+", first in "+other.File)
			return
		}
	}
	l.suites = append(l.suites, suite)
}
