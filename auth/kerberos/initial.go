package kerberos

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// initial gets the ticket for the KDC, by the key in the keytab.
func (s *source) initial(ctx context.Context) (*ticket, error) {
	kt, kinds, err := s.keys()
	if err != nil {
		return nil, err
	}
	req, err := messages.NewASReqForTGT(s.realm, s.conf, s.client.CName())
	if err != nil {
		return nil, err
	}
	// The key of the answer is the first that the client has, that of the ticket any.
	req.ReqBody.EType = slices.Clone(kinds)
	for _, kind := range s.conf.LibDefaults.DefaultTktEnctypeIDs {
		if !slices.Contains(kinds, kind) {
			req.ReqBody.EType = append(req.ReqBody.EType, kind)
		}
	}
	reply, err := s.askInitial(ctx, &req)
	var refused messages.KRBError
	if errors.As(err, &refused) && refused.ErrorCode == errorcode.KDC_ERR_PREAUTH_REQUIRED {
		if err := s.preauthenticate(&req, refused.EData, kt, kinds); err != nil {
			return nil, err
		}
		reply, err = s.askInitial(ctx, &req)
	}
	if err != nil {
		return nil, s.refused(err, s.realm, s.clientName())
	}
	var rep messages.ASRep
	if err := rep.Unmarshal(reply); err != nil {
		return nil, fmt.Errorf("the KDC's answer: %w", err)
	}
	owner := *s.client
	if _, err := rep.Verify(s.conf, owner.WithKeytab(kt), req); err != nil {
		if rep.DecryptedEncPart.AuthTime.IsZero() { // it could not be decrypted
			return nil, fmt.Errorf("%w: that of %s in %s does not decrypt the KDC's answer: %w", ErrKey, s.clientName(), s.keytab, err)
		}
		return nil, s.unverified(rep.DecryptedEncPart, err)
	}
	return newTicket(s.client, rep.Ticket, rep.DecryptedEncPart), nil
}

func (s *source) askInitial(ctx context.Context, req *messages.ASReq) ([]byte, error) {
	b, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	return s.ask(ctx, s.realm, b)
}

// preauthenticate adds to a request the time, encrypted by a key of the kind that the KDC
// wants, which is in data.
func (s *source) preauthenticate(req *messages.ASReq, data []byte, kt *keytab.Keytab, kinds []int32) error {
	kind := wanted(data, kinds)
	key, kvno, err := kt.GetEncryptionKey(s.client.CName(), s.realm, 0, kind)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPrincipal, err)
	}
	now, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return err
	}
	encrypted, err := crypto.GetEncryptedData(now, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, kvno)
	if err != nil {
		return err
	}
	b, err := encrypted.Marshal()
	if err != nil {
		return err
	}
	req.PAData = append(req.PAData, types.PAData{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: b})
	return nil
}

// wanted returns the first of kinds that the KDC names, or else the first.
func wanted(data []byte, kinds []int32) int32 {
	var pas types.PADataSequence
	if pas.Unmarshal(data) != nil {
		return kinds[0]
	}
	named := make(map[int32]bool)
	for _, pa := range pas {
		if pa.PADataType == patype.PA_ETYPE_INFO2 {
			infos, _ := pa.GetETypeInfo2()
			for _, info := range infos {
				named[info.EType] = true
			}
		}
	}
	for _, kind := range kinds {
		if named[kind] {
			return kind
		}
	}
	return kinds[0]
}
