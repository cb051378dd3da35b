//! Codes of one system and which of them are below which. Made by `official` and `code_system`.

/// Codes with their hierarchy; `S` is a slice of the table or a text of a stored resource.
#[derive(Clone, Debug)]
pub(super) struct Concepts<S> {
    /// Sorted, each once.
    codes: Vec<S>,
    /// Places of the codes directly above, by place.
    parents: Vec<Vec<u32>>,
    /// Places of the codes directly below, by place.
    children: Vec<Vec<u32>>,
}

impl<S: AsRef<str>> Concepts<S> {
    /// From sorted codes and the places of their parents; a place that does not exist is left out.
    pub fn new(codes: Vec<S>, mut parents: Vec<Vec<u32>>) -> Self {
        let mut children: Vec<Vec<u32>> = codes.iter().map(|_| Vec::new()).collect();
        for (place, above) in parents.iter_mut().enumerate() {
            above.retain(|parent| {
                let child = u32::try_from(place).ok();
                let below = children.get_mut(*parent as usize);
                child.zip(below).map(|(child, below)| below.push(child)).is_some()
            });
        }
        Self { codes, parents, children }
    }

    pub fn codes(&self) -> &[S] {
        &self.codes
    }

    pub fn place(&self, code: &str) -> Option<usize> {
        self.codes.binary_search_by(|known| known.as_ref().cmp(code)).ok()
    }

    /// Places of the code and of all below it, each once; none if it is no code of the system.
    pub fn below(&self, code: &str) -> Vec<usize> {
        self.reached(code, &self.children)
    }

    /// Places of the code and of all above it, each once; none if it is no code of the system.
    pub fn above(&self, code: &str) -> Vec<usize> {
        self.reached(code, &self.parents)
    }

    /// Whether a code is directly below another.
    pub fn is_child(&self, place: usize, parent: &str) -> bool {
        let parents = self.parents.get(place).map(Vec::as_slice).unwrap_or_default();
        parents.iter().any(|above| self.codes.get(*above as usize).is_some_and(|code| code.as_ref() == parent))
    }

    /// Ends on hierarchies that run in a circle: no place is visited twice.
    fn reached(&self, code: &str, next: &[Vec<u32>]) -> Vec<usize> {
        let mut found: Vec<usize> = self.place(code).into_iter().collect();
        let mut seen = vec![false; self.codes.len()];
        let mut at = 0;
        while let Some(&place) = found.get(at) {
            at += 1;
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            found.extend(next[place].iter().map(|place| *place as usize).filter(|place| !seen[*place]));
        }
        // A code may be reached on two ways before it is visited.
        let mut once = vec![false; self.codes.len()];
        found.retain(|place| !std::mem::replace(&mut once[*place], true));
        found
    }
}
