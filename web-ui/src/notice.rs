//! Something to be said at the top of the page, and what can be done about it.

/// Something to be said at the top of the page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Something went wrong.
    pub problem: bool,
    /// What can be done about it.
    pub offer: Offer,
}

/// What a notice offers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Offer {
    /// Nothing.
    #[default]
    Nothing,
    /// To download something under a name.
    Download(&'static str, String),
    /// To download the session that is shown. Its text is made when it is wanted.
    DownloadSession,
    /// To go back to the session that was there before.
    GoBack,
}

impl Notice {
    /// Something to know.
    pub fn remark(text: impl Into<String>) -> Notice {
        Notice { text: text.into(), problem: false, offer: Offer::Nothing }
    }

    /// Something that went wrong.
    pub fn problem(text: impl Into<String>) -> Notice {
        Notice { text: text.into(), problem: true, offer: Offer::Nothing }
    }

    /// The same with something that can be done about it.
    pub fn offering(self, offer: Offer) -> Notice {
        Notice { offer, ..self }
    }
}
