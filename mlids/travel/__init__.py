"""Where logins come from (`places`), and who cannot have been there in time (`journeys`)."""
