package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"roster/client"
	"roster/internal/outfile"
)

// resumeFile is the file by which 'user remove' goes on after it was interrupted,
// however that was. It begins with a header and has a line for each thing that
// happened, which is on the disk before anything else is done. A last line that a
// crash left unfinished counts for nothing. Whoever has it open has it alone.
type resumeFile struct {
	path   string
	file   *os.File
	unlock func()
	header resumeHeader
	// mark is how far the list is dealt with.
	mark client.Mark
	// job is the id of the job, once there is one.
	job string
	// done are the batches that earlier runs dealt with.
	done []resumeDone
}

// resumeFormat is the first field of a header.
const resumeFormat = "roster user remove, version 1"

// resumeHeader says what is being removed where. All of it but Run and BatchSize
// must be the same to go on.
type resumeHeader struct {
	Format string `json:"format"`
	// Run is the name of the run, from which keys are derived.
	Run       string `json:"run"`
	Host      string `json:"host"`
	ClientID  string `json:"clientId"`
	OrgIDs    bool   `json:"orgIds"`
	Async     bool   `json:"async"`
	Users     int    `json:"users"`
	List      string `json:"list"` // hash of the ids
	BatchSize int    `json:"batchSize"`
}

// resumeLine is a line behind the header: one of its fields is set.
type resumeLine struct {
	// Begun is the mark before a call that may have been sent.
	Begun *client.Mark `json:"begun,omitempty"`
	// Job is the id of the job that was started.
	Job string `json:"job,omitempty"`
	// Done is what came of a call.
	Done *resumeDone `json:"done,omitempty"`
}

// resumeDone is what came of the users up to a mark.
type resumeDone struct {
	Mark      client.Mark  `json:"mark"`
	Failed    []failedJSON `json:"failed,omitempty"`
	Unclear   []failedJSON `json:"unclear,omitempty"`
	RemovalID string       `json:"removalId,omitempty"`
}

// listHash is a hash of ids in their order.
func listHash(ids []string) string {
	h := sha256.New()
	for _, id := range ids {
		fmt.Fprintf(h, "%d %s\n", len(id), id)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// openResumeFile opens the file for a removal, and makes it where there is none.
// One that belongs to another removal is an error.
func openResumeFile(ctx context.Context, path string, want resumeHeader, notice io.Writer) (*resumeFile, error) {
	f := &resumeFile{path: path}
	var err error
	if f.unlock, err = lockAlone(ctx, path, notice); err != nil {
		return nil, err
	}
	if err = f.open(want); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// lockAlone waits until no other process has the file.
func lockAlone(ctx context.Context, path string, notice io.Writer) (unlock func(), err error) {
	type locked struct {
		unlock func()
		err    error
	}
	got := make(chan locked, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(path + ".lock").Lock()
		got <- locked{unlock, err}
	}()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	for {
		select {
		case l := <-got:
			if l.err != nil {
				return nil, fmt.Errorf("lock the resume file: %w", l.err)
			}
			return l.unlock, nil
		case <-patience.C:
			fmt.Fprintf(notice, "roster: another command uses %s: waiting for it to end\n", path)
		case <-ctx.Done():
			return nil, ctx.Err() // the process ends, and what waits with it
		}
	}
}

func (f *resumeFile) open(want resumeHeader) error {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return f.create(want)
	}
	if err != nil {
		return err
	}
	whole, err := f.read(text)
	if err != nil {
		return fmt.Errorf("resume file %s: %w", f.path, err)
	}
	if err := f.header.check(want); err != nil {
		return fmt.Errorf("resume file %s %w: give another --resume-file, or delete it to begin anew", f.path, err)
	}
	if f.file, err = os.OpenFile(f.path, os.O_WRONLY, 0o600); err != nil {
		return err
	}
	if err := f.file.Truncate(whole); err != nil {
		return err
	}
	_, err = f.file.Seek(whole, io.SeekStart)
	return err
}

// create makes the file with its header: there is either all of it or none.
func (f *resumeFile) create(want resumeHeader) error {
	want.Format, want.Run = resumeFormat, rand.Text()
	f.header = want
	line, err := json.Marshal(want)
	if err != nil {
		return err
	}
	err = outfile.Replace(f.path, func(w io.Writer) error {
		_, err := w.Write(append(line, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	if f.file, err = os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return err
	}
	return nil
}

// read reads what the file says, and returns the length of its whole lines.
func (f *resumeFile) read(text []byte) (whole int64, err error) {
	whole = int64(bytes.LastIndexByte(text, '\n') + 1)
	in := bufio.NewReader(bytes.NewReader(text[:whole]))
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if n == 1 {
			if json.Unmarshal(line, &f.header) != nil || f.header.Format != resumeFormat {
				return 0, errors.New("it is no resume file of 'user remove' in a form that this version knows")
			}
			continue
		}
		if err := f.take(line); err != nil {
			return 0, fmt.Errorf("line %d is damaged: what was removed has to be found out by hand", n)
		}
	}
	if f.header.Format == "" {
		return 0, errors.New("it is no resume file of 'user remove'")
	}
	return whole, nil
}

// take adds a line to what is known.
func (f *resumeFile) take(text []byte) error {
	var line resumeLine
	if err := json.Unmarshal(text, &line); err != nil {
		return err
	}
	switch {
	case line.Begun != nil:
		f.mark = *line.Begun
	case line.Job != "":
		f.job = line.Job
	case line.Done != nil:
		f.mark = line.Done.Mark
		f.done = append(f.done, *line.Done)
	default:
		return errors.New("the line says nothing")
	}
	return nil
}

// check says in which way a removal is another than that of the file.
func (h *resumeHeader) check(want resumeHeader) error {
	switch {
	case h.List != want.List || h.Users != want.Users || h.OrgIDs != want.OrgIDs:
		return fmt.Errorf("was begun with another list, of %s", plural(h.Users, "user"))
	case strings.TrimSuffix(h.Host, "/") != strings.TrimSuffix(want.Host, "/"):
		return fmt.Errorf("was begun on the host %s", h.Host)
	case h.ClientID != want.ClientID:
		return fmt.Errorf("was begun with the client id %s", h.ClientID)
	case h.Async != want.Async && h.Async:
		return errors.New("was begun with --async")
	case h.Async != want.Async:
		return errors.New("was begun without --async")
	case h.BatchSize != want.BatchSize && !h.Async:
		return fmt.Errorf("was begun with --batch-size %d", h.BatchSize)
	}
	return nil
}

// add writes a line, and returns when it is on the disk.
func (f *resumeFile) add(line resumeLine) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err = f.file.Write(append(text, '\n')); err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the resume file: %w", err)
	}
	return nil
}

func (f *resumeFile) close() error {
	if f == nil {
		return nil
	}
	var err error
	if f.file != nil {
		err = f.file.Close()
	}
	f.unlock()
	return err
}
