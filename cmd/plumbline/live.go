package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/term"
	"github.com/plumbline-dev/plumbline/reporters"
)

// frame is how often a live line is drawn.
const frame = 100 * time.Millisecond

// The running checks that a terminal shows: those that take longer than a moment, the longest first.
const (
	moment      = 300 * time.Millisecond
	mostRunning = 5
)

// A live view shows a run as it goes: on a terminal the running checks and the totals, drawn again and again at the
// bottom, with what went wrong above them; elsewhere only what went wrong.
type live struct {
	w        io.Writer
	style    term.Style
	terminal bool
	silent   bool // about what went wrong
	indent   int  // of the lines about what went wrong
	done     chan struct{}
	ended    sync.WaitGroup

	mu          sync.Mutex
	title, note string
	begun       time.Time
	asked, all  int
	bad         int                  // critical checks that didn't pass
	running     map[string]time.Time // by name, since when
	rows        int                  // that are drawn
	told        bool                 // whether anything that went wrong was said
	spin        int
}

// progress begins a live view on standard error. Where the verdict goes to the same place, the view only counts: the
// verdict says what went wrong.
func (a *app) progress(title string) *live {
	l := newLive(a.Err, term.StyleOf(a.Err, a.Getenv), title)
	l.silent = samePlace(a.Out, a.Err)
	return l
}

func samePlace(a, b io.Writer) bool {
	x, isFile := a.(*os.File)
	y, too := b.(*os.File)
	if !isFile || !too {
		return false
	}
	one, err := x.Stat()
	other, otherErr := y.Stat()
	return err == nil && otherErr == nil && os.SameFile(one, other)
}

func newLive(w io.Writer, style term.Style, title string) *live {
	l := &live{w: w, style: style, title: title, begun: time.Now(), terminal: term.IsTerminal(w) && style.Colored(),
		done: make(chan struct{}), running: map[string]time.Time{}}
	if l.terminal {
		l.ended.Go(l.animate)
	}
	return l
}

func (l *live) animate() {
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.mu.Lock()
			l.draw()
			l.mu.Unlock()
		case <-l.done:
			return
		}
	}
}

// Title begins another run; an empty title hides the line.
func (l *live) Title(title string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.title, l.asked, l.all, l.bad, l.begun = title, 0, 0, 0, time.Now()
	clear(l.running)
	l.erase()
}

// Note shows a line that is replaced by the next; only a terminal shows it.
func (l *live) Note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note = text
}

// Started shows a check as running.
func (l *live) Started(c plumbline.Check) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[c.ID()] = time.Now()
}

// Finished counts a check that was asked here.
func (l *live) Finished(r plumbline.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(l.asked+1, l.all, &r)
}

// Ended shows a check as running no more, and counts it for none: it may be another run's.
func (l *live) Ended(r plumbline.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, r.ID())
}

// Result counts a check, and says at once if it went wrong. Without a result it sets the total alone.
func (l *live) Result(done, total int, r *plumbline.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(done, total, r)
}

func (l *live) count(done, total int, r *plumbline.Result) {
	l.asked, l.all = max(l.asked, done), max(l.all, total)
	if r == nil {
		return
	}
	delete(l.running, r.ID())
	if r.Severity == plumbline.Critical && r.Outcome != plumbline.Passed {
		l.bad++
	}
	if line := l.wrong(r); line != "" && !l.silent {
		l.told = true
		l.erase()
		fmt.Fprintln(l.w, line)
	}
}

func (l *live) wrong(r *plumbline.Result) string {
	s, name := l.style, term.Line(r.Name)
	switch {
	case r.Outcome == plumbline.Failed || r.Outcome == plumbline.Errored:
		mark := s.Red("✗")
		if r.Severity == plumbline.Advisory {
			mark = s.Yellow("!")
		}
		name = shorten(name, 60)
		return fmt.Sprintf("  %s %s  %s", mark, s.Bold(name), shorten(term.Line(r.Reason), max(term.Width(l.w)-utf8.RuneCountInString(name)-l.indent-7, 40)))
	case r.Flaky:
		return fmt.Sprintf("  %s %s  %s", s.Yellow("~"), s.Bold(name), fmt.Sprintf("passed at attempt %d", len(r.Attempts)))
	case r.Outcome == plumbline.Passed && time.Duration(r.Seconds) >= reporters.SlowAfter:
		return fmt.Sprintf("  %s %s  %s", s.Yellow("◔"), s.Bold(name), fmt.Sprintf("slow: %.1f s", time.Duration(r.Seconds).Seconds()))
	}
	return ""
}

// Say prints a line that stays.
func (l *live) Say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	fmt.Fprintln(l.w, line)
}

// Close erases the line.
func (l *live) Close() {
	if l.terminal {
		close(l.done)
		l.ended.Wait()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
}

func (l *live) erase() {
	if l.rows > 0 {
		fmt.Fprint(l.w, erased(l.rows))
		l.rows = 0
	}
}

// erased takes rows from the screen, the last of which the cursor is in.
func erased(rows int) string {
	return "\r\x1b[2K" + strings.Repeat("\x1b[1A\x1b[2K", max(rows-1, 0))
}

// draw writes all rows at once, so that nothing flickers.
func (l *live) draw() {
	var rows []string
	switch width := term.Width(l.w) - 1; {
	case l.title != "":
		rows = append(l.under(width), l.totals(width))
	case l.note != "":
		rows = []string{l.style.Dim(shorten(l.note, width))}
	}
	before := ""
	if l.rows > 0 {
		before = erased(l.rows)
	}
	l.rows = len(rows)
	fmt.Fprint(l.w, before+strings.Join(rows, "\n"))
}

// totals is the last row.
func (l *live) totals(width int) string {
	const bar = 20
	asked, filled := min(l.asked, l.all), 0
	if l.all > 0 {
		filled = bar * asked / l.all
	}
	l.spin++
	line := fmt.Sprintf("%c %s %s%s %d/%d", []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[l.spin%10], l.title,
		strings.Repeat("━", filled), strings.Repeat("─", bar-filled), asked, l.all)
	rest := fmt.Sprintf("  %.1fs", time.Since(l.begun).Seconds())
	bad := ""
	if l.bad > 0 {
		bad = fmt.Sprintf("  %d wrong", l.bad)
	}
	if utf8.RuneCountInString(line+rest+bad) > width {
		return l.style.Cyan(shorten(line, width))
	}
	return l.style.Cyan(line) + l.style.Dim(rest) + l.style.Red(bad)
}

// under are the rows of running checks.
func (l *live) under(width int) []string {
	type run struct {
		id   string
		took time.Duration
	}
	var runs []run
	for id, since := range l.running {
		if took := time.Since(since); took > moment {
			runs = append(runs, run{id, took})
		}
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Or(cmp.Compare(b.took, a.took), strings.Compare(a.id, b.id)) })
	var rows []string
	for i, r := range runs {
		if i == mostRunning {
			rows = append(rows, l.style.Dim(shorten(fmt.Sprintf("         and %d more", len(runs)-i), width)))
			break
		}
		_, name, _ := strings.Cut(r.id, "/")
		paint := l.style.Dim
		if r.took >= reporters.SlowAfter {
			paint = l.style.Yellow
		}
		rows = append(rows, paint(shorten(fmt.Sprintf("  %5.1fs  %s", r.took.Seconds(), name), width)))
	}
	return rows
}
