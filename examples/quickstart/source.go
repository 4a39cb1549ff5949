package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// partSize is the length of the largest value that is stored as one entry. A
// server takes 1 MiB a request; larger files are stored in parts.
const partSize = 512 << 10

// source is a tree of files.
type source struct {
	dir      string
	packages []*pkg // the one with the most bytes first
	files    map[string]*file
	bytes    int64
	empty    int // files without content
	skipped  int // symbolic links and the like
}

// pkg is a directory with files.
type pkg struct {
	path    string  // relative to the source, with slashes
	files   []*file // by name
	entries int     // the table should have for it
	bytes   int64
}

// file is a file and how it is stored: in one entry under its name, or, if it
// is longer than partSize, in one entry for each part, under the name, a zero
// byte and the number of the part. No other name comes between them.
type file struct {
	pkg  *pkg
	name string
	size int64
	path string // on disk
}

// whole reports whether the file is stored in one entry.
func (f *file) whole() bool { return f.size <= partSize }

func (f *file) parts() int { return max(1, int((f.size+partSize-1)/partSize)) }

// sortKey returns the sort key of a part.
func (f *file) sortKey(part int) []byte {
	if f.whole() {
		return []byte(f.name)
	}
	return fmt.Appendf(nil, "%s\x00%04d", f.name, part)
}

// find returns the file and the part that an entry is.
func (s *source) find(hashKey, sortKey []byte) (f *file, part int, ok bool) {
	name, number, inParts := bytes.Cut(sortKey, []byte{0})
	f = s.files[string(hashKey)+"/"+string(name)]
	if f == nil || inParts == f.whole() {
		return nil, 0, false
	}
	if inParts {
		if _, err := fmt.Sscanf(string(number), "%04d", &part); err != nil || part >= f.parts() {
			return nil, 0, false
		}
	}
	return f, part, true
}

// read reads a part from disk. An empty file gives an empty value, not nil.
func (f *file) read(part int) ([]byte, error) {
	r, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	offset := int64(part) * partSize
	b := make([]byte, min(f.size-offset, partSize))
	if _, err := r.ReadAt(b, offset); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return b, nil
}

// readAll reads the whole file from disk.
func (f *file) readAll() ([]byte, error) { return os.ReadFile(f.path) }

// readSource lists the files below dir, by default those of the Go
// installation.
func readSource(ctx context.Context, dir string) (*source, error) {
	if dir == "" {
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return nil, fmt.Errorf("go env GOROOT: %w; name a directory with -src", err)
		}
		// The Go installation may be behind a symbolic link.
		if dir, err = filepath.EvalSymlinks(filepath.Join(strings.TrimSpace(string(out)), "src")); err != nil {
			return nil, err
		}
	}
	s := &source{dir: dir, files: make(map[string]*file)}
	byPath := make(map[string]*pkg)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return ctx.Err()
		case !d.Type().IsRegular():
			s.skipped++
			return nil
		}
		rel, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		p := byPath[rel]
		if p == nil {
			p = &pkg{path: rel}
			byPath[rel] = p
			s.packages = append(s.packages, p)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s.add(p, &file{pkg: p, name: d.Name(), size: info.Size(), path: path})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(s.files) == 0 {
		return nil, fmt.Errorf("no files in %s", dir)
	}
	slices.SortFunc(s.packages, func(a, b *pkg) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.path, b.path))
	})
	return s, nil
}

func (s *source) add(p *pkg, f *file) {
	p.files = append(p.files, f)
	p.entries += f.parts()
	p.bytes += f.size
	s.files[p.path+"/"+f.name] = f
	s.bytes += f.size
	if f.size == 0 {
		s.empty++
	}
}

// entries is the number of entries that the table should have.
func (s *source) entries() int {
	n := 0
	for _, p := range s.packages {
		n += p.entries
	}
	return n
}

// most returns the package with the most files that match, and these files.
func (s *source) most(match func(*file) bool) (*pkg, []*file) {
	best, files := s.packages[0], []*file(nil)
	for _, p := range s.packages {
		if m := p.matching(match); len(m) > len(files) {
			best, files = p, m
		}
	}
	return best, files
}

func isGo(f *file) bool   { return strings.HasSuffix(f.name, ".go") && f.whole() }
func isTest(f *file) bool { return strings.HasSuffix(f.name, "_test.go") && f.whole() }

// matching returns the files of the package that match, by name.
func (p *pkg) matching(match func(*file) bool) []*file {
	var files []*file
	for _, f := range p.files {
		if match(f) {
			files = append(files, f)
		}
	}
	return files
}
