package log

import "ottla.dev/core/probe"

// remains drops segments that were deleted and that a crash has brought back. Names whose removal was not synced may
// come back in any selection, which leaves holes below the start of the log; the segment with the start was never
// deleted, so that there is none above. Nothing below the start is read again, and the holes would look like damage.
func (o *opening) remains() error {
	first := 0
	for i, s := range o.segments {
		if i > 0 && s.Base <= o.LogStart && o.segments[i-1].Next != s.Base && o.joint(o.segments[i-1], s) {
			first = i
		}
		if s.damage != "" {
			break
		}
	}
	if first == 0 {
		return nil
	}
	o.Report.Reached.Add(probe.DeletedSegmentsBack)
	o.note("segments below the start offset " + offsetText(o.LogStart) + " were deleted, and are back after a crash")
	for _, s := range o.segments[:first] {
		if err := o.removeSegment(s.Base); err != nil {
			return err
		}
	}
	o.segments = o.segments[first:]
	return nil
}
