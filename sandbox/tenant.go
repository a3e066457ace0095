package sandbox

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Tenant is an emulated tenant. Its methods may be used by many goroutines.
type Tenant struct {
	opts   Options
	seed   uint64
	name   string
	id     guid
	secret []byte
	now    func() time.Time
	log    *slog.Logger

	mu     sync.RWMutex // guards the model: sites, drives, items
	sites  []*site
	drives []*Drive
	byID   map[DriveID]*Drive
	users  []user
	people map[string]int // lower-case id or UPN to index

	rounds   rounds
	journal  *journal
	ran      map[string]bool // steps of the script that the journal holds
	mode     editMode        // of the edit that is being made, guarded by mu
	counters counters
	login    login
	throttle throttle
	faults   faultSet
	subs     subscriptions
	script   *scriptRun
	behave   Behaviour // guarded by mu

	anyShared atomic.Int64 // items with sharing of their own
}

// site is a web with its libraries.
type site struct {
	t          *Tenant
	collection guid
	web        guid
	id         SiteID
	host       string
	path       string // server-relative, no leading slash
	name       string
	owner      int // index of the user whose personal site it is, -1
	group      string
	people     []uint16 // users of the group
	team       bool
	status     atomic.Int32 // answered on every call below, 0 for none
	archive    string
	created    time.Time
	drives     []*Drive
	parent     *site
	deleted    bool
}

type user struct {
	User
	json []byte // the identity set
}

// defaultEpoch is the time at which tenants are made when the options do not say.
var defaultEpoch = time.Date(2024, 3, 1, 8, 0, 0, 0, time.UTC)

// New makes the tenant that the options describe and replays its journal.
func New(o Options) (*Tenant, error) {
	t := &Tenant{opts: o, seed: o.Seed, name: cmp.Or(o.Name, "contoso"), now: o.Now, log: o.Log, behave: o.Behaviour,
		byID: map[DriveID]*Drive{}, people: map[string]int{}, ran: map[string]bool{}}
	if t.now == nil {
		t.now = time.Now
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.opts.Epoch.IsZero() {
		t.opts.Epoch = defaultEpoch
	}
	t.id = makeGUID(t.seed, "tenant", t.name)
	key := makeGUID(t.seed, "signing key", t.name)
	t.secret = key[:]
	t.addUser(User{ID: makeGUID(t.seed, "user", "system").String(), DisplayName: "System Account"})
	for _, u := range o.Users {
		t.addUser(u)
	}
	if err := t.build(); err != nil {
		return nil, err
	}
	if err := t.start(); err != nil {
		return nil, err
	}
	return t, nil
}

// build makes sites and drives.
func (t *Tenant) build() error {
	if !slices.ContainsFunc(t.opts.Sites, func(s SiteSpec) bool { return s.Path == "" && s.Owner == "" }) {
		if err := t.addSite(SiteSpec{Name: "Communication site", Drives: []DriveSpec{{Name: "Documents", Segment: "Shared Documents"}}}); err != nil {
			return err
		}
	}
	for _, s := range t.opts.Sites {
		if err := t.addSite(s); err != nil {
			return fmt.Errorf("make site %q: %w", s.Path, err)
		}
	}
	return nil
}

// start brings the parts up that need the finished model.
func (t *Tenant) start() error {
	t.login.init(t)
	t.throttle.init(t)
	t.counters.init()
	t.subs.init(t)
	if err := t.openJournal(); err != nil {
		return err
	}
	if err := t.scanAll(); err != nil {
		return err
	}
	return t.startScript()
}

// Close ends what the tenant does by itself and closes its journal.
func (t *Tenant) Close() error {
	t.subs.close()
	return t.journal.close()
}

func (t *Tenant) addUser(u User) int {
	if u.ID == "" {
		u.ID = makeGUID(t.seed, "user", strings.ToLower(u.UPN)).String()
	}
	n := len(t.users)
	t.users = append(t.users, user{User: u, json: identityJSON(u)})
	t.people[u.ID] = n
	if u.UPN != "" {
		t.people[strings.ToLower(u.UPN)] = n
	}
	return n
}

// userIndex finds a user by UPN or id; unknown ones are the system account.
func (t *Tenant) userIndex(name string) uint16 {
	return uint16(t.people[strings.ToLower(name)])
}

func (t *Tenant) addSite(spec SiteSpec) error {
	s := &site{t: t, host: t.name + ".sharepoint.com", path: strings.Trim(spec.Path, "/"), name: spec.Name,
		owner: -1, group: spec.Group, team: spec.Team, archive: spec.Archive, created: t.opts.Epoch}
	s.status.Store(int32(spec.Status))
	for _, upn := range spec.Members {
		s.people = append(s.people, t.userIndex(upn))
	}
	if spec.Owner != "" {
		n, ok := t.people[strings.ToLower(spec.Owner)]
		if !ok {
			n = t.addUser(User{UPN: spec.Owner, DisplayName: spec.Owner})
		}
		s.owner, s.host = n, t.name+"-my.sharepoint.com"
		s.path = cmp.Or(s.path, "personal/"+personalSegment(spec.Owner))
		s.name = cmp.Or(s.name, t.users[n].DisplayName)
	}
	if t.siteByPath(s.host, s.path) != nil {
		return fmt.Errorf("another site has the path %q", s.path)
	}
	s.parent = t.parentSite(s)
	s.collection = makeGUID(t.seed, "collection", s.host, s.path)
	if s.parent != nil {
		s.collection = s.parent.collection
	}
	s.web = makeGUID(t.seed, "web", s.host, s.path)
	s.id = SiteID(s.host + "," + s.collection.String() + "," + s.web.String())
	t.sites = append(t.sites, s)
	for _, d := range spec.Drives {
		if err := t.addDrive(s, d); err != nil {
			return fmt.Errorf("make drive %q: %w", d.Name, err)
		}
	}
	return nil
}

// parentSite is the web above: sites/a/b lies below sites/a, sites/a is a collection of its own (S8).
func (t *Tenant) parentSite(s *site) *site {
	if strings.Count(s.path, "/") < 2 {
		return nil
	}
	return t.siteByPath(s.host, s.path[:strings.LastIndexByte(s.path, '/')])
}

func personalSegment(upn string) string {
	return strings.NewReplacer("@", "_", ".", "_").Replace(strings.ToLower(upn))
}

func (t *Tenant) siteByPath(host, path string) *site {
	for _, s := range t.sites {
		if !s.deleted && strings.EqualFold(s.host, host) && strings.EqualFold(s.path, path) {
			return s
		}
	}
	return nil
}

func (s *site) webURL() string {
	if s.path == "" {
		return "https://" + s.host
	}
	return "https://" + s.host + "/" + escapePath(s.path)
}

// escapePath percent-encodes the segments of a path.
func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func (t *Tenant) addDrive(s *site, spec DriveSpec) error {
	d := &Drive{t: t, site: s, index: len(t.drives), name: spec.Name, segment: cmp.Or(spec.Segment, spec.Name), hidden: spec.Hidden, byGUID: map[guid]*item{}}
	if s.owner >= 0 {
		d.owner = uint16(s.owner)
	}
	d.list = makeGUID(t.seed^mix(spec.Seed), "list", s.host, s.path, d.segment)
	d.seed = binary.LittleEndian.Uint64(d.list[:8]) ^ mix(t.seed)
	d.id = makeDriveID(s.collection, s.web, d.list)
	d.prefix = makeIDPrefix(d.list)
	d.makeTexts()
	root := d.newItem(rootGUID, kindFolder, "root")
	d.top = root
	at := t.opts.Epoch
	root.created, root.modified, root.fsModified = at.Unix(), at.Unix(), at.Unix()
	root.createdBy, root.modifiedBy = d.owner, d.owner
	if spec.Directory != "" {
		d.dir = &directory{root: spec.Directory}
	}
	for _, f := range spec.Files {
		if err := d.seedFile(f, at); err != nil {
			return err
		}
	}
	if spec.Generate != nil {
		d.generate(*spec.Generate, at)
	}
	d.settle()
	t.drives, s.drives = append(t.drives, d), append(s.drives, d)
	t.byID[d.id] = d
	return nil
}

// Drives lists the drives of the tenant in the order of the options.
func (t *Tenant) Drives() []*Drive {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.drives)
}

// Drive finds a drive by id or address ("sites/people/Documents", "Documents" of the root site,
// "people/Documents", or the UPN of the owner of a OneDrive); nil when there is none.
func (t *Tenant) Drive(name string) *Drive {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.drive(name)
}

func (t *Tenant) drive(name string) *Drive {
	if d := t.byID[DriveID(name)]; d != nil {
		return d
	}
	if n, ok := t.people[strings.ToLower(name)]; ok && name != "" {
		if s := t.personalSite(n); s != nil && len(s.drives) > 0 {
			return s.drives[0]
		}
	}
	for _, d := range t.drives {
		if strings.EqualFold(d.Address(), name) || strings.EqualFold("sites/"+name, d.Address()) || strings.EqualFold(d.site.path, name) && d == d.site.drives[0] {
			return d
		}
	}
	if name == "" && len(t.drives) == 1 {
		return t.drives[0]
	}
	return nil
}

func (t *Tenant) personalSite(owner int) *site {
	for _, s := range t.sites {
		if s.owner == owner && !s.deleted {
			return s
		}
	}
	return nil
}

// SetBehaviour replaces the switches from the next request on.
func (t *Tenant) SetBehaviour(b Behaviour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.behave = b
}

func (t *Tenant) behaviour() Behaviour {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.behave
}
