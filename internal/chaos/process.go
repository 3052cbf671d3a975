package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// A process is a child of this one.
type process struct {
	cmd   *exec.Cmd
	born  time.Time
	ended chan struct{}
	died  time.Time // once ended
	told  atomic.Bool
	shot  atomic.Bool
}

// begin starts a program whose output is added to a file.
func begin(log string, env []string, program string, args ...string) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{}), born: time.Now()}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(log), "GOTRACEBACK=all"}, env...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = filepath.Dir(log), file, file, withParent()
	fmt.Fprintf(file, "-- %s %v %v\n", filepath.Base(program), args, env)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its state
		p.died = time.Now()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal sends a signal; a process that ended meanwhile doesn't mind.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the process without a word, and says whether it was still there.
func (p *process) kill() bool {
	if p.over() {
		return false
	}
	p.shot.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.ended
	return true
}

// stop tells the process to end, and kills it if it doesn't within the patience; it says whether it ended well.
func (p *process) stop(patience time.Duration) bool {
	p.told.Store(true)
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
	}
	return p.cmd.ProcessState.Success()
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// killed says whether an ended process was killed, by whomever.
func (p *process) killed() bool {
	status, is := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return is && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// peak is the most memory that the process ever had, in KiB.
func (p *process) peak() int64 {
	if !p.over() {
		return peakMemory(p.pid())
	}
	if usage, is := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); is {
		return usage.Maxrss
	}
	return 0
}
