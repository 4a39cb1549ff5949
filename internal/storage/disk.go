package storage

// DiskUsage returns how many bytes the file system of a store on disk has, and
// how many are free. In memory both are 0.
func (db *DB) DiskUsage() (total, free uint64, err error) {
	if db.inMemory {
		return 0, 0, nil
	}
	u, err := db.opts.FS.GetDiskUsage(db.opts.Dir)
	return u.TotalBytes, u.AvailBytes, err
}
