// The people and things that models know by name.
import { html } from "../../vendor/preact-htm.js";
import { useAsked } from "../asked.js";
import { ago } from "../format.js";
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
    <ul class="cards">${(twins ?? []).map((twin) => html`<${Twin} key=${twin.name} twin=${twin} />`)}</ul>
  </div>`;
}

const Twin = ({ twin }) => html`<li class="panel card">
  <div><h2>${twin.name}</h2>${twin.created_at ? html`<span class="tiny faint">trained ${ago(twin.created_at)}</span>` : null}</div>
  <dl class="facts">
    ${twin.trigger ? html`<div><dt>Trigger word</dt><dd><code>${twin.trigger}</code></dd></div>` : null}
    ${twin.base_model ? html`<div><dt>Made for</dt><dd>${twin.base_model}</dd></div>` : null}
    ${twin.steps ? html`<div><dt>Steps</dt><dd class="num">${twin.steps}</dd></div>` : null}
  </dl>
  <p class="row end">
    <a class="button" href=${`#/new/RENDER?lora=${encodeURIComponent(twin.name)}`}><${Icon} name="spark" />Use in a shot</a>
    ${twin.job_id ? html`<a class="button plain" href=${to.job(twin.job_id)}>Its training</a>` : null}
  </p>
</li>`;
