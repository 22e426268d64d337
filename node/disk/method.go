package disk

import "time"

// method chooses how a round makes its files durable: a fdatasync each, or one syncfs for the whole file system. On a
// volume that holds the logs alone, one syncfs costs as much as two or three fdatasyncs, however many files are dirty
// (64 files: 14 ms one by one, 0.7 ms together); on a shared one it also writes what others have left dirty, and may
// cost any time. So it is measured: the cheaper one by a running mean is taken, and the other tried now and then.
type method struct {
	perFile  time.Duration // mean cost of one file's fdatasync
	whole    time.Duration // mean cost of a syncfs
	since    int           // rounds since the dearer one was tried
	patience int           // rounds until it is tried again
}

const (
	// The first guesses stand until there are measurements: syncfs is taken above three files.
	guessPerFile = 200 * time.Microsecond
	guessWhole   = 700 * time.Microsecond

	patienceLeast = 64
	patienceMost  = 1024

	// meanWeight divides a measurement's part in the mean, and outlier is the multiple of the mean beyond which it
	// counts no more: one stall of the device says little about the next round.
	meanWeight = 8
	outlier    = 4
)

func newMethod() method {
	return method{perFile: guessPerFile, whole: guessWhole, patience: patienceLeast}
}

// together reports whether a round of so many files and folders is to use syncfs.
func (m *method) together(files int) bool {
	if files < 2 {
		return false
	}
	cheaper := m.cheaper(files)
	if m.since++; m.since >= m.patience {
		m.since = 0
		m.patience = min(2*m.patience, patienceMost)
		return !cheaper
	}
	return cheaper
}

// learn takes the measurement of a round. A trial of the way that was thought dearer counts in full if it was cheaper
// than thought. When it changes what is cheaper, the other way gets its next chance soon again.
func (m *method) learn(together bool, files int, took time.Duration) {
	cheaper := m.cheaper(files)
	old, sample := &m.whole, took
	if !together {
		old, sample = &m.perFile, took/time.Duration(max(files, 1))
	}
	if together != cheaper && sample < *old {
		*old = max(sample, time.Microsecond)
	} else {
		*old += (min(sample, outlier**old) - *old) / meanWeight
	}
	if m.cheaper(files) != cheaper {
		m.patience = patienceLeast
	}
}

// cheaper reports whether syncfs is thought to cost less than so many files.
func (m *method) cheaper(files int) bool { return m.whole < time.Duration(files)*m.perFile }
