//! Ten thousand histories that nobody thought of: whatever was written, by whoever knew what, the same ops are the same
//! state, however often and in whatever order they come. The seed is printed; `CHARTWELL_SEED` runs one again.

use crate::explore::fold;
use crate::world::{View, World, Write, put};
use record::body::Body;
use record::body::accept::Accept;
use record::body::device::Device;
use record::body::genesis::Purpose;
use record::body::grant::{Grant, Grants};
use record::body::keys::Keys;
use record::body::revoke::Revoke;
use record::entry::FrameKind;
use record::header::{Authority, GrantId, Kind};
use record::{Class, Entropy, Entry, Identity, LaneKind};

/// How many histories one run makes.
const HISTORIES: u64 = 10_000;
/// Devices 0 and 1, the root, and three hospitals.
const ROOT: usize = 2;
const HOSPITALS: std::ops::Range<usize> = 3..6;

struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // SplitMix64: enough for tests, and the same everywhere.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }
}

struct History {
    world: World,
    views: Vec<View>,
    admission: u16,
    root: u16,
    grants: Vec<(GrantId, usize)>,
}

fn people() -> Vec<Identity> {
    let mut entropy = Entropy::new([5; 32]);
    let root = Identity::generate(&mut entropy);
    let mut who = vec![Identity::generate_under(root.card(), &mut entropy), Identity::generate(&mut entropy), root];
    who.extend(HOSPITALS.map(|_| Identity::generate(&mut entropy)));
    who
}

impl History {
    fn open() -> Self {
        let (mut world, mut known) = World::open(people(), Purpose::Patient);
        let card = world.who[1].card().clone();
        let admit = Body::Device(Device::Admit { card, name: String::new() });
        let admission = world.write(&known, Write::control(0, Kind::Device, admit));
        known.insert(admission);
        let announce = Body::Device(Device::Root(world.who[ROOT].card().clone()));
        let root = world.write(&known, Write::control(0, Kind::Device, announce));
        known.insert(root);
        let views = vec![known; 6];
        Self { world, views, admission, root, grants: Vec::new() }
    }

    fn word(&self, device: usize) -> Authority {
        match device {
            0 => Authority::Genesis,
            1 => Authority::Device(self.world.id(self.admission)),
            _ => Authority::Device(self.world.id(self.root)),
        }
    }

    fn control(&mut self, by: usize, word: Authority, kind: Kind, body: Body) -> u16 {
        let at = self.world.write(&self.views[by], Write::control(by, kind, body).under(word));
        self.views[by].insert(at);
        at
    }

    fn give(&mut self, dice: &mut Dice, by: usize, word: Authority, to: usize) {
        let scope = ["patient/*.cruds", "patient/Observation.cu", "patient/CarePlan.cud"][dice.below(3)];
        let mut grant = self.world.grant(to, scope);
        (grant.delegate, grant.shared) = (dice.below(3) == 0, dice.below(2) == 0);
        let others = self.grants.iter().filter(|(_, holder)| *holder == to).map(|(id, _)| *id).collect::<Vec<_>>();
        if !others.is_empty() && dice.below(3) == 0 {
            grant.replaces.push(others[dice.below(others.len())]);
        }
        let at = self.control(by, word, Kind::Grant, Body::Grant(Grants { grants: vec![grant] }));
        self.grants.push((GrantId { op: self.world.id(at), index: 0 }, to));
    }

    fn change(&mut self, dice: &mut Dice, by: usize, word: Authority) {
        let resource_type = ["Observation", "CarePlan"][dice.below(2)];
        let entry = put(dice.below(3) as u8, resource_type, Class(dice.below(2) as u8));
        let kind = if dice.below(4) == 0 { FrameKind::Delete } else { FrameKind::Put };
        let entries = vec![Entry { kind, resolves: dice.below(4) == 0, ..entry }];
        let mut write = Write::change(by, word, 0).writing(entries).in_lane(dice.below(2) as u64);
        let author = self.world.who[by].id();
        let own = self.views[by]
            .iter()
            .map(|at| self.world.op(*at))
            .filter(|said| said.header.lane.author == author && said.header.lane.kind == LaneKind::Change);
        let own = own.map(|said| said.id).collect::<Vec<_>>();
        if !own.is_empty() && dice.below(8) == 0 {
            write = write.forgetting(own[dice.below(own.len())]);
        }
        let at = self.world.write(&self.views[by], write);
        self.views[by].insert(at);
    }

    fn step(&mut self, dice: &mut Dice) {
        let (device, hospital) = (dice.below(2), HOSPITALS.start + dice.below(3));
        match dice.below(16) {
            0..5 => {
                let (from, to) = (dice.below(6), dice.below(6));
                let news = self.views[from].clone();
                self.views[to].extend(news);
            }
            5..7 => self.give(dice, device, self.word(device), hospital),
            7..11 if !self.grants.is_empty() => {
                let (grant, holder) = self.grants[dice.below(self.grants.len())];
                let known = self.views[holder].contains(&self.world.find(&grant.op));
                if known {
                    self.change(dice, holder, Authority::Grant(grant));
                }
            }
            11 if !self.grants.is_empty() => {
                let (grant, holder) = self.grants[dice.below(self.grants.len())];
                let retains = self.world.heads(&self.views[device], holder);
                let by_name = dice.below(2) == 0;
                let identities = if by_name { vec![self.world.who[holder].id()] } else { Vec::new() };
                let grants = if by_name { Vec::new() } else { vec![grant] };
                let body = Body::Revoke(Revoke { grants, identities, retains });
                self.control(device, self.word(device), Kind::Revoke, body);
            }
            12 => {
                let heads = self.world.heads(&self.views[device], hospital);
                let ops = self.views[device].iter().map(|at| self.world.id(*at)).collect::<Vec<_>>();
                let ops = vec![ops[dice.below(ops.len())]];
                self.control(device, self.word(device), Kind::Accept, Body::Accept(Accept { ops, heads }));
            }
            13 => {
                let epochs = self.world.state(&self.views[device]).epochs();
                let previous = epochs.into_iter().map(|epoch| (epoch, vec![0; 48])).collect();
                let body = Body::Keys(Keys { commitment: [dice.below(200) as u8; 32], previous });
                self.control(device, self.word(device), Kind::Keys, body);
            }
            14 if dice.below(3) == 0 => {
                let retains = self.world.heads(&self.views[device], 1 - device);
                let body = Device::Suspend { device: self.world.who[1 - device].id(), retains };
                self.control(device, self.word(device), Kind::Device, Body::Device(body));
            }
            14 if dice.below(2) == 0 => {
                let retains = self.world.heads(&self.views[ROOT], 1 - device);
                let devices = vec![self.world.who[device].id()];
                let body = Body::Device(Device::Remain { devices, retains });
                self.control(ROOT, self.word(ROOT), Kind::Device, body);
            }
            15 if !self.grants.is_empty() => {
                let (grant, holder) = self.grants[dice.below(self.grants.len())];
                if self.views[holder].contains(&self.world.find(&grant.op)) {
                    self.give(dice, holder, Authority::Grant(grant), hospital);
                }
            }
            _ => self.change(dice, device, self.word(device)),
        }
    }
}

#[test]
fn the_same_ops_are_the_same_state_whatever_was_written_and_in_whatever_order_it_comes() {
    let time = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let given = std::env::var("CHARTWELL_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let seed = given.unwrap_or_else(time);
    println!("CHARTWELL_SEED={seed}");
    let (mut quarantined, mut conflicts, mut forks) = (0, 0, 0);
    for n in 0..HISTORIES {
        let mut dice = Dice(seed.wrapping_add(n));
        let mut history = History::open();
        for _ in 0..4 + dice.below(20) {
            history.step(&mut dice);
        }
        let union = history.views.iter().flatten().copied().collect::<View>();
        // `fold` compares what is said by three orders, with repeats, and by ops added one by one to those of before.
        let (state, ledger) = fold(&history.world, &union);
        let world = &history.world;
        forks += state.forks().len() + ledger.forks().len();
        for said in world.changes(&union) {
            let counts = world.counts(&state, &ledger, world.find(&said.id));
            quarantined += u64::from(!counts);
            let Authority::Grant(id) = said.header.authority else { continue };
            let given: Option<&Grant> = state.grant(&id).map(|given| &given.grant);
            let own = given.is_some_and(|grant| grant.to.id() == said.header.lane.author);
            let accepted = world
                .controls(&union)
                .iter()
                .any(|control| matches!(&control.body, Some(Body::Accept(body)) if body.ops.contains(&said.id)));
            assert!(
                !counts || own || accepted,
                "seed {seed}, history {n}: a change counts without a grant of its author's"
            );
        }
        for handle in ledger.handles() {
            let origins = world.who.iter().map(|who| ledger.resource(&handle, &who.id()));
            conflicts += origins.filter(record::merge::Resource::is_conflict).count();
        }
    }
    println!("{HISTORIES} histories: {quarantined} changes apart, {conflicts} conflicts, {forks} forks");
    assert!(quarantined > 1000 && conflicts > 1000 && forks > 100, "the histories are worth something");
}
