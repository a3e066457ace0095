// Package watch decides when to look at which drive: because the service said that something changed there, because it
// is time to ask, because the last look failed, and once a day in any case.
//
// What lives here: the receiver of change notifications, the keeper of the subscriptions that bring them, the schedule
// of looks, and the loop that runs one look after another. What may not: what a look is. Reading a drive, planning and
// applying are the affair of whoever runs the loop; nothing here touches a state or a target.
//
// The invariant to know: a notification is a hint and nothing more. It can be forged, doubled, late or lost (W12); all
// it ever does is to bring a delta query forward. Every drive is looked at once a day whether or not anything was heard
// of it (I-66, W15), and however much is heard, the looks at one drive keep their distance.
//
//	Receiver  answers the service, checks each notification, keeps nothing but a set of drives
//	Keeper    makes, renews, replaces and ends the subscriptions
//	Schedule  pure: what is due, and when the next thing will be
//	Loop      one look at a time
package watch

import "github.com/spmirror/spmirror/graph"

// Drive names a drive that is watched.
type Drive struct {
	Tenant string // address of the tenant in the configuration
	ID     graph.DriveID
}

// Event is what a notification says of a drive.
type Event string

// Events. All but the first belong to the life of the subscription (W15).
const (
	Changed     Event = "changed"
	Reauthorize Event = "reauthorizationRequired"
	Removed     Event = "subscriptionRemoved"
	Missed      Event = "missed"
)
