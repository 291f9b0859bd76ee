package roster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/outfile"
	"roster/internal/store"
)

// checkpointLine is a line of a file of checkpoints.
type checkpointLine struct {
	At        time.Time `json:"at"`
	Account   string    `json:"account"`
	Number    int64     `json:"number"`
	Hash      []byte    `json:"hash"` // base64
	Signature string    `json:"signature"`
}

func (l *checkpointLine) checkpoint() directory.Checkpoint {
	return directory.Checkpoint{At: l.At, Account: l.Account, Number: l.Number, Hash: l.Hash}
}

// maxCheckpointLine bounds a line of a file of checkpoints, in bytes.
const maxCheckpointLine = 4096

// checkpointKeyFile is the file of the key that signs checkpoints, whether it
// exists or not: it stands beside the secret key's.
func (r *Roster) checkpointKeyFile() (auth.KeyFile, error) {
	file, err := r.keyFile()
	file.Path += ".checkpoint"
	return file, err
}

// WriteCheckpoint appends a signed line to the file for each account whose audit
// log has grown since the file's last line about it. It returns how many lines,
// and the public half of the key that signed them, in base64. File and key are
// made where they are missing. What is in the file must have been signed by this
// key. Only the operator may.
func (r *Roster) WriteCheckpoint(ctx context.Context, caller auth.Caller, path string) (lines int, public string, err error) {
	if err := caller.RequireOperator(); err != nil {
		return 0, "", err
	}
	keyFile, err := r.checkpointKeyFile()
	if err != nil {
		return 0, "", err
	}
	key, err := auth.LoadCheckpointKey(keyFile, true)
	if err != nil {
		return 0, "", err
	}
	unlock, err := outfile.Lock(path, r.ownFiles()...)
	if err != nil {
		return 0, "", fmt.Errorf("lock the checkpoint file: %w", err)
	}
	defer unlock()
	last := map[string]int64{}
	size, err := readCheckpointFile(path, key.Public(), func(c directory.Checkpoint) { last[c.Account] = c.Number })
	if err != nil {
		return 0, "", err
	}
	heads, err := r.store.AuditHeads(ctx)
	if err != nil {
		return 0, "", err
	}
	var text []byte
	for _, head := range heads {
		if head.Number <= last[head.Account] {
			continue
		}
		head.At = r.Now()
		line, err := json.Marshal(checkpointLine{head.At, head.Account, head.Number, head.Hash, key.Sign(head)})
		if err != nil {
			return 0, "", err
		}
		text = append(append(text, line...), '\n')
		lines++
	}
	return lines, key.Public(), appendWhole(path, size, text)
}

// readCheckpointFile is readCheckpoints for a file that may be missing. It
// returns the length of its whole lines.
func readCheckpointFile(path, public string, each func(directory.Checkpoint)) (size int64, err error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return readCheckpoints(file, public, each)
}

// appendWhole writes text behind the first size bytes of a file, in place of a
// line that a power cut left unfinished, and waits for the disk.
func appendWhole(path string, size int64, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = file.Truncate(size)
	if err == nil {
		_, err = file.WriteAt(text, size)
	}
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil && size == 0 { // the file may be new
		err = outfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write the checkpoint file: %w", err)
	}
	return nil
}

// readCheckpoints calls each for the checkpoints of a file, which the key must
// have signed. A last line without its end counts for nothing. It returns the
// length of the lines before it. The error wraps store.ErrBroken when a line was
// changed or signed by another key.
func readCheckpoints(src io.Reader, public string, each func(directory.Checkpoint)) (size int64, err error) {
	in := bufio.NewReaderSize(src, maxCheckpointLine)
	for number := 1; ; number++ {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && isCut(text) {
			return size, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return size, fmt.Errorf("read the checkpoint file: %w", err)
		}
		var line checkpointLine
		if err != nil || json.Unmarshal(text, &line) != nil {
			return size, fmt.Errorf("%w: line %d of the checkpoint file is no checkpoint", store.ErrBroken, number)
		}
		checkpoint := line.checkpoint()
		signed, err := auth.CheckSignature(public, checkpoint, line.Signature)
		if err != nil {
			return size, err
		}
		if !signed {
			return size, fmt.Errorf("%w: line %d of the checkpoint file was changed, or signed by another key than %s", store.ErrBroken, number, public)
		}
		each(checkpoint)
		size += int64(len(text))
	}
}

// isCut reports whether text can be the beginning of a line that was not finished.
// Anything else is the end of another file, which must not be cut off.
func isCut(text []byte) bool {
	const begin = `{"at":"`
	n := min(len(text), len(begin))
	return string(text[:n]) == begin[:n]
}

// checkpointsAtOnce is how many checkpoints are looked up together.
const checkpointsAtOnce = 10_000

// VerifyCheckpoints checks that the audit log still has every entry that a file
// of checkpoints names, and then the log itself, as VerifyAudit does. public is
// the key that signed them, in base64; empty for the one of this machine. It
// returns how many checkpoints there are. The error wraps store.ErrBroken when
// something was cut, made anew or changed. Only the operator may.
func (r *Roster) VerifyCheckpoints(ctx context.Context, caller auth.Caller, file io.Reader, public string) (checkpoints int, report store.AuditReport, err error) {
	if err := caller.RequireOperator(); err != nil {
		return 0, report, err
	}
	if public == "" {
		keyFile, err := r.checkpointKeyFile()
		if err != nil {
			return 0, report, err
		}
		key, err := auth.LoadCheckpointKey(keyFile, false)
		if err != nil {
			return 0, report, fmt.Errorf("%w: on another machine than the server's give the public key with --checkpoint-key", err)
		}
		public = key.Public()
	}
	var all []directory.Checkpoint
	if _, err := readCheckpoints(file, public, func(c directory.Checkpoint) { all = append(all, c) }); err != nil {
		return 0, report, err
	}
	if len(all) == 0 {
		return 0, report, directory.Errorf(directory.ErrInvalid, "the checkpoint file has no checkpoint")
	}
	for at := 0; at < len(all); at += checkpointsAtOnce {
		if err := r.store.CheckCheckpoints(ctx, all[at:min(len(all), at+checkpointsAtOnce)]); err != nil {
			return 0, report, err
		}
	}
	report, err = r.store.VerifyAudit(ctx)
	return len(all), report, err
}
