package checks

import "github.com/plumbline-dev/plumbline"

// slackCatalogue is what the Web API's errors mean (docs.slack.dev: the errors of auth.test, conversations.info and
// chat.postMessage).
var slackCatalogue = []ruling{
	{code: "not_authed", class: plumbline.ClassCredential, cure: "no token came through: look at the connection's token"},
	{code: "invalid_auth", class: plumbline.ClassCredential, cure: "the token is not valid, or Slack refuses the address that this color asks from: make a new token, and look at the egress"},
	{code: "account_inactive", class: plumbline.ClassCredential, cure: "the token's user or workspace was deleted: install the app again"},
	{code: "token_revoked", class: plumbline.ClassCredential, cure: "install the app again, and use its new token"},
	{code: "token_expired", class: plumbline.ClassCredential, cure: "the token has expired: rotate it"},
	{code: "missing_scope", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "add the scope to the app and install it again"},
	{code: "no_permission", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the app's user may not do this in the workspace"},
	{code: "ekm_access_denied", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the workspace's administrators have suspended access to its keys"},
	{code: "accesslimited", class: plumbline.ClassMisconfig, cure: "the workspace is limited: ask its administrators"},
	{code: "team_added_to_org", class: plumbline.ClassMisconfig, cure: "the workspace is being moved to an organization: install the app there"},
	{code: "channel_not_found", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "name the channel by its id, and invite the app if it is private"},
	{code: "not_in_channel", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "invite the app to the channel"},
	{code: "is_archived", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "the channel is archived: name another one"},
	{code: "no_text", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "a message without text"},
	{code: "msg_too_long", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "a message that is too long"},
	{code: "ratelimited", class: plumbline.ClassThrottled, tier: plumbline.TierCredential, cure: "asked too often: lower the rate of the connection"},
	{code: "rate_limited", class: plumbline.ClassThrottled, tier: plumbline.TierCredential, cure: "asked too often: lower the rate of the connection"},
	{status: 429, class: plumbline.ClassThrottled, cure: "asked too often: lower the rate of the connection"},
	{code: "internal_error", class: plumbline.ClassOutage, cure: "Slack is not well; nothing is wrong with the release"},
	{code: "fatal_error", class: plumbline.ClassOutage, cure: "Slack is not well; nothing is wrong with the release"},
	{code: "request_timeout", class: plumbline.ClassOutage, cure: "Slack is not well; nothing is wrong with the release"},
}

// slackWebhookCatalogue is what an incoming webhook answers, in plain text (docs.slack.dev: sending messages using
// incoming webhooks).
var slackWebhookCatalogue = []ruling{
	{status: 400, code: "invalid_payload", class: plumbline.ClassProtocol, tier: plumbline.TierCredential, cure: "Slack can't read what was sent"},
	{status: 403, code: "invalid_token", class: plumbline.ClassCredential, cure: "the webhook was revoked: make a new one"},
	{status: 403, code: "action_prohibited", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the workspace's administrators restrict the webhook"},
	{status: 404, code: "no_service", class: plumbline.ClassMisconfig, cure: "the webhook is disabled or removed: make a new one"},
	{status: 404, code: "no_team", class: plumbline.ClassMisconfig, cure: "the webhook's workspace is gone"},
	{status: 404, code: "channel_not_found", class: plumbline.ClassMisconfig, cure: "the webhook's channel is gone: make a new one"},
	{status: 410, code: "channel_is_archived", class: plumbline.ClassMisconfig, cure: "the webhook's channel is archived: make a new one"},
	{status: 429, class: plumbline.ClassThrottled, cure: "asked too often: lower the rate of the connection"},
}
