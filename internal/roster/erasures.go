package roster

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/outfile"
	"roster/internal/store"
)

// erasuresHeader is the first line of a list of erasures. A line for each
// membership follows, its hash in hexadecimal.
const erasuresHeader = "roster erasures 1\n"

// erasureList are memberships that were erased.
type erasureList map[directory.ErasureHash]struct{}

func (l erasureList) add(life directory.Life) { l[life.Hash()] = struct{}{} }

// CountErasures returns how many memberships were erased so far. Only the
// operator may.
func (r *Roster) CountErasures(ctx context.Context, caller auth.Caller) (int, error) {
	if err := caller.RequireOperator(); err != nil {
		return 0, err
	}
	return r.store.CountErasures(ctx)
}

// WriteErasures adds to the list in a file every membership that was erased, as
// hashes which tell nothing to whoever has no copy of the database. What the file
// has already stays in it, whichever database it came from. It returns how many
// there are and how many of them are new. The file is made where it is missing,
// and replaced as a whole. Only the operator may.
func (r *Roster) WriteErasures(ctx context.Context, caller auth.Caller, path string) (total, added int, err error) {
	if err := caller.RequireOperator(); err != nil {
		return 0, 0, err
	}
	unlock, err := outfile.Lock(path, r.ownFiles()...)
	if err != nil {
		return 0, 0, fmt.Errorf("lock the list of erasures: %w", err)
	}
	defer unlock()
	list := erasureList{}
	err = list.read(path)
	missing := errors.Is(err, os.ErrNotExist)
	if err != nil && !missing {
		return 0, 0, err
	}
	had := len(list)
	if err := r.store.EachErasure(ctx, list.add); err != nil {
		return 0, 0, err
	}
	if len(list) > had || missing {
		if err := list.write(path); err != nil {
			return 0, 0, fmt.Errorf("write the list of erasures: %w", err)
		}
	}
	return len(list), len(list) - had, nil
}

// read adds what a file lists.
func (l erasureList) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the list of erasures: %w", err)
	}
	defer file.Close()
	in := bufio.NewReader(file)
	for number := 1; ; number++ {
		line, err := in.ReadString('\n')
		switch {
		case errors.Is(err, io.EOF) && line == "" && number > 1:
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read the list of erasures: %w", err)
		}
		if number == 1 {
			if line != erasuresHeader {
				return directory.Errorf(directory.ErrInvalid, "%s is no list of erasures", path)
			}
			continue
		}
		var hash directory.ErasureHash
		if n, err := hex.Decode(hash[:], []byte(line[:max(0, len(line)-1)])); err != nil || n != len(hash) || len(line) != 2*n+1 {
			return directory.Errorf(directory.ErrInvalid, "line %d of the list of erasures %s is cut or changed", number, path)
		}
		l[hash] = struct{}{}
	}
}

// write replaces the file, whole.
func (l erasureList) write(path string) error {
	hashes := make([]directory.ErasureHash, 0, len(l))
	for hash := range l {
		hashes = append(hashes, hash)
	}
	// In an order that says nothing about when, or who of one account.
	slices.SortFunc(hashes, func(a, b directory.ErasureHash) int { return slices.Compare(a[:], b[:]) })
	return outfile.Replace(path, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		_, err := out.WriteString(erasuresHeader)
		for _, hash := range hashes {
			if err == nil {
				_, err = out.WriteString(hex.EncodeToString(hash[:]) + "\n")
			}
		}
		return errors.Join(err, out.Flush())
	})
}

// eraseAgain is how many memberships one transaction erases again.
const eraseAgain = 500

// NotErased is a member who was erased once and is there again, and cannot go:
// what they own has to be passed on first.
type NotErased struct {
	Account string
	Email   string
	Reason  directory.Reason
}

// eraseListed erases who is on the list and has come back with a backup, whether
// they are members in it or removed. It returns how many, and who has to stay.
func (r *Roster) eraseListed(ctx context.Context, caller auth.Caller, list erasureList) (erased int, left []NotErased, err error) {
	var found [][]store.Membership
	err = r.store.EachMembership(ctx, func(m store.Membership) {
		if _, ok := list[m.Hash()]; !ok {
			return
		}
		if n := len(found) - 1; n >= 0 && len(found[n]) < eraseAgain && found[n][0].Account == m.Account && found[n][0].Removal == m.Removal {
			found[n] = append(found[n], m)
			return
		}
		found = append(found, []store.Membership{m})
	})
	for _, some := range found {
		if err != nil {
			break
		}
		if some[0].Removal != 0 {
			err = r.eraseRemoved(ctx, caller, some)
			erased += len(some)
			continue
		}
		var stay []NotErased
		stay, err = r.eraseLive(ctx, caller, some)
		erased += len(some) - len(stay)
		left = append(left, stay...)
	}
	return erased, left, err
}

func (r *Roster) eraseRemoved(ctx context.Context, caller auth.Caller, some []store.Membership) error {
	members := make([]directory.Candidate, len(some))
	for i, m := range some {
		members[i] = directory.Candidate{Member: m.Member, Person: m.Person}
	}
	return r.store.Write(ctx, store.Change{Account: some[0].Account, Actor: caller.Actor}, func(tx *store.Tx) error {
		return tx.EraseSome(ctx, some[0].Removal, members)
	})
}

// eraseLive removes them first, by the rules of every removal.
func (r *Roster) eraseLive(ctx context.Context, caller auth.Caller, some []store.Membership) (left []NotErased, err error) {
	refs := make([]directory.UserRef, len(some))
	for i, m := range some {
		refs[i].Text = m.EmailKey
	}
	selection := directory.Select(refs)
	var out directory.Removal
	err = r.store.Write(ctx, store.Change{Account: some[0].Account, Actor: caller.Actor, IDs: 1}, func(tx *store.Tx) (err error) {
		out, err = r.remove(ctx, tx, caller, refs, selection, RemovalOptions{erase: true})
		return err
	})
	for _, refusal := range out.Refused {
		m := some[refusal.Ref]
		left = append(left, NotErased{m.Life.Account, m.EmailKey, refusal.Reason})
	}
	return left, err
}
