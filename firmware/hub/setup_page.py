"""The page on the hub's own access point: choose the network, type its password, and read how it goes.

One document without anything from elsewhere, for there is nothing else in this network. Its fragment brings the claim
token `t` and the cloud's address `u` from the pairing page.
"""

PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Set up your hub</title>
<style>
:root{color-scheme:light dark;--ink:#0b2a2e;--soft:#53686b;--paper:#f6f4ee;--card:#fff;--line:#8a9a9c;--bad:#a3241b}
@media(prefers-color-scheme:dark){
:root{--ink:#eef4f3;--soft:#a3b5b6;--paper:#07171a;--card:#10252a;--line:#6d8286;--bad:#ff9d94}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.5rem;line-height:1.2;margin:0 0 1rem}
form,#told{background:var(--card);border-radius:1rem;padding:1.25rem}
label{display:block;font-weight:600;margin:0 0 .25rem}
input,select,button{font:inherit;width:100%;min-height:48px;border-radius:.75rem;border:1px solid var(--line);
background:transparent;color:inherit;padding:.5rem .75rem;margin:0 0 1rem}
option{color:#000;background:#fff}
button{background:var(--ink);color:var(--paper);border:0;font-weight:600;margin:0}
:focus-visible{outline:3px solid #2b8fd9;outline-offset:2px}
.soft{color:var(--soft);margin:0 0 1rem}
.bad{color:var(--bad);font-weight:600;margin:0 0 1rem}
.check{display:flex;gap:.6rem;align-items:center;font-weight:400;margin:0 0 1rem;min-height:44px}
.check input{width:1.4rem;min-height:1.4rem;margin:0}
[hidden]{display:none!important}
</style>
</head>
<body>
<main>
<h1>Set up your hub</h1>
<p id="lost" class="bad" hidden>This page was opened without its pairing. Go back to the pairing page and tap
&ldquo;Open the hub's page&rdquo;.</p>
<form id="form" hidden>
<p id="wrong" class="bad" role="alert" hidden></p>
<label for="pick">Wi-Fi network</label>
<select id="pick"><option value="">Looking for networks&hellip;</option></select>
<div id="typed" hidden><label for="ssid">Its name</label>
<input id="ssid" maxlength="32" autocomplete="off" autocapitalize="none" spellcheck="false"></div>
<label for="psk">Password</label>
<input id="psk" type="password" maxlength="63" autocomplete="off" autocapitalize="none" spellcheck="false">
<label class="check"><input id="show" type="checkbox">Show the password</label>
<button>Connect</button>
</form>
<div id="told" role="status" hidden><p id="line" style="margin:0"></p></div>
</main>
<script>
(function(){
var $=function(id){return document.getElementById(id)};
var bag=new URLSearchParams(location.hash.slice(1)),t=bag.get("t"),u=bag.get("u");
history.replaceState(null,"",location.pathname);
var STEPS={joining:"Joining the network\xe2\x80\xa6",reaching:"Looking for the cloud\xe2\x80\xa6",
claiming:"Registering the hub\xe2\x80\xa6",
done:"Done. Let your phone return to its usual network and go back to the pairing page."};
var WRONG={no_network:"There is no network of that name in range. The hub needs 2.4 GHz.",
wrong_password:"The network does not accept that password.",
no_address:"The network gave the hub no address. Is its router working?",
no_internet:"The network does not lead to the internet.",
cloud_unreachable:"The cloud does not answer from that network.",
clock:"The hub cannot tell the time there, so it cannot trust the cloud. Does the network block NTP?",
token_invalid:"The pairing has expired. Go back to the pairing page and begin again.",
already_owned:"This hub belongs to somebody. Hold its button for ten seconds, then begin again."};
function show(id,on){$(id).hidden=!on}
function wrong(text){$("wrong").textContent=text;show("wrong",true);show("form",true);show("told",false);
$("psk").focus()}
function look(){
fetch("/networks").then(function(a){return a.json()}).then(function(all){
var pick=$("pick");pick.textContent="";
all.forEach(function(one){pick.add(new Option(one[0]+(one[2]?"":" (open)"),one[0]))});
pick.add(new Option("Another network\xe2\x80\xa6","\\n"));pick.onchange();
}).catch(function(){setTimeout(look,2000)})}
$("pick").onchange=function(){show("typed",$("pick").value==="\\n")};
$("show").onchange=function(){$("psk").type=$("show").checked?"text":"password"};
function follow(silent){
setTimeout(function(){
fetch("/state").then(function(a){return a.json()}).then(function(now){
if(now.state==="failed")return wrong(WRONG[now.code]||now.message||"That did not work. Try again.");
$("line").textContent=STEPS[now.state]||STEPS.joining;
if(now.state!=="done")follow(0);
}).catch(function(){
// The hub follows its new network to another channel, and the phone loses it for a moment.
if(silent<60)follow(silent+1);else $("line").textContent="The hub is gone: it may be done. Look at the pairing page."})
},1000)}
$("form").onsubmit=function(event){
event.preventDefault();
var name=$("pick").value==="\\n"?$("ssid").value:$("pick").value;
if(!name){show("typed",true);$("ssid").focus();return}
show("wrong",false);show("form",false);show("told",true);$("line").textContent=STEPS.joining;
fetch("/setup",{method:"POST",body:JSON.stringify({ssid:name,psk:$("psk").value,url:u,t:t})})
.then(function(a){if(a.ok||a.status===409)follow(0);else wrong("The hub does not accept that. Check both fields.")})
.catch(function(){follow(0)})};
if(t&&u){show("form",true);look()}else show("lost",true);
})();
</script>
</body>
</html>
"""
