//! The steps at which the ways of OpenDKIM decide: CONNECT and the end of the header section. They may wait for tables in databases and for key files.

use std::pin::pin;
use std::sync::Arc;

use super::{Connection, End, progress};

impl Connection {
    /// Asks the lists of OpenDKIM's ways about the client and answers CONNECT.
    pub(super) async fn client(&mut self) -> Result<(), End> {
        let setup = Arc::clone(&self.setup);
        let Some(ways) = setup.rules.ways() else { return Ok(()) };
        let (client, name) = self.dialogue.client();
        let lists = ways.client(name, client).await;
        self.dialogue.answer_client(lists, &mut self.out)?;
        Ok(())
    }

    /// Has the ways of OpenDKIM choose what is done with a message, and answers the end of its header section.
    pub(super) async fn choose(&mut self) -> Result<(), End> {
        let setup = Arc::clone(&self.setup);
        let Some(ways) = setup.rules.ways() else { return Ok(()) };
        let choice = match self.dialogue.mail_to_choose_for() {
            None => None,
            Some((mail, job)) => {
                let mut progress = progress(self.surroundings.progress);
                let mut choice = pin!(ways.choose(&mail, &job));
                loop {
                    tokio::select! {
                        biased;
                        choice = &mut choice => break Some(choice),
                        _ = progress.tick() => self.sign_of_life().await?,
                    }
                }
            }
        };
        self.dialogue.answer_choice(choice, &mut self.out)?;
        Ok(())
    }
}
