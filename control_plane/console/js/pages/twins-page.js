// The people and things that models know by name.
import { html, useState } from "../../vendor/preact-htm.js";
import { useAsked } from "../asked.js";
import { call } from "../api.js";
import { ago, bytes } from "../format.js";
import { say } from "../notices.js";
import { Icon } from "../icons.js";
import { Empty, PageHead, Trouble } from "../parts/page.js";
import { to } from "../routes.js";

export function TwinsPage() {
  const { data: twins, error, again } = useAsked("/twins");
  return html`<div class="page">
    <${PageHead} title="Twins" about="A twin is a LoRA of one person or thing. Name it in a shot, and use its trigger word in the text.">
      <a class="button main" href=${to.create("TRAIN_TWIN")}><${Icon} name="plus" />Train a twin</a><//>
    <${Trouble} error=${error} again=${again} />
    ${twins && !twins.length ? html`<${Empty} icon="twin" title="No twins yet"
      action=${html`<a class="button main" href=${to.create("TRAIN_TWIN")}>Train the first one</a>`}>Ten to twenty pictures of one face or thing, from
      different sides and in different light, are enough. Only of people who have agreed to it.<//>` : null}
    <ul class="cards">${(twins ?? []).map((twin) => html`<${Twin} key=${twin.name} twin=${twin} again=${again} />`)}</ul>
  </div>`;
}

function Twin({ twin, again }) {
  const [sure, setSure] = useState(false);
  const remove = () => call("DELETE", `/twins/${encodeURIComponent(twin.name)}`).then(again, (error) => { setSure(false); say(error.message); });
  return html`<li class="panel card">
    <div><h2>${twin.name}</h2><span class="tiny faint">${twin.subject}, trained ${ago(twin.created_at)} from ${twin.images} pictures</span></div>
    <dl class="facts">
      <div><dt>Trigger word</dt><dd><code>${twin.trigger}</code></dd></div>
      <div><dt>Made for</dt><dd>${twin.base_model}</dd></div>
      <div><dt>Size</dt><dd class="num">${bytes(twin.bytes)}, rank ${twin.rank}, ${twin.steps} steps</dd></div>
      <div><dt>Consent</dt><dd>${twin.consent ? `${twin.consent.who}, ${twin.consent.when}: ${twin.consent.what_for}` : "none was stated"}</dd></div>
    </dl>
    <p class="row end">
      <a class="button" href=${`#/new/RENDER?lora=${encodeURIComponent(twin.name)}`}><${Icon} name="spark" />Use in a shot</a>
      <a class="button plain" href=${to.job(twin.job_id)}>Its training</a>
      <button class="button danger plain" onClick=${sure ? remove : () => setSure(true)} onBlur=${() => setSure(false)}>${sure ? "Remove for ever" : "Remove"}</button>
    </p>
  </li>`;
}
